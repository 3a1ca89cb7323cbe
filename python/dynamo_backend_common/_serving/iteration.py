"""The thread of one request of a synchronous engine: iterates it into the core, and closes it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from typing import TYPE_CHECKING, Any

from .generate import is_asynchronous, iterable_chunks
from .stream import log_one_more, log_refusal, without_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._core import RequestContext, Sink
    from .threads import RequestThreads


class ThreadIteration:
    """One request. Its generator is called, iterated and closed by one thread.

    Chunks go to the core from that thread, which waits while the stream's buffer is full. Between
    two of them it looks whether they are still wanted.
    """

    def __init__(
        self,
        generate: Callable[[Any, RequestContext], Any],
        engine: str,
        context: RequestContext,
        sink: Sink,
        threads: RequestThreads,
        *,
        says_end: bool,
    ) -> None:
        self._generate = generate
        self._engine = engine
        self._context = context
        self._sink = sink
        self._threads = threads
        self._says_end = says_end
        self._cancelled = False
        self._withdraw: Callable[[], None] | None = None
        self.began = False
        """Whether ``generate`` was called."""

    def cancel(self) -> None:
        """Nobody wants the rest. On the event loop's thread."""
        self._cancelled = True
        self.withdraw()

    def withdraw(self) -> None:
        """Ends it, if it still waits for a thread. On the event loop's thread."""
        if self._withdraw is not None:
            self._withdraw()

    async def run(self, request: dict[str, Any]) -> Any:
        """Has a thread do it, with the context variables of the calling task.

        Returns:
            None, or what ``generate`` returned where only the event loop can iterate that.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
        context = contextvars.copy_context()

        def job() -> None:
            returned, raised = None, None
            try:
                returned = context.run(self._iterate, request)
            # SystemExit and KeyboardInterrupt too: the thread has other requests to serve.
            except BaseException as error:
                raised = error
            # Where the loop was closed, nobody waits any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, ended, (returned, raised))

        def withdraw() -> None:
            # Of a loop that was closed nobody waits any more.
            if self._unwanted and self._threads.withdraw(job) and not loop.is_closed():
                _resolve(ended, (None, None))

        self._threads.run(job)
        self._withdraw = withdraw
        returned, raised = await ended
        self._withdraw = None
        if isinstance(raised, StopIteration | GeneratorExit | asyncio.CancelledError):
            # They mean something else where a task raises them.
            raise RuntimeError(f"{self._engine} raised {type(raised).__name__}") from raised
        if raised is not None:
            raise raised
        if self._cancelled and returned is not None:
            # Too late: of a coroutine nobody is to say that it was never awaited.
            getattr(returned, "close", lambda: None)()
            return None
        return returned

    @property
    def _unwanted(self) -> bool:
        return self._cancelled or self._sink.may_abort

    def _iterate(self, request: dict[str, Any]) -> Any:
        # First: whoever sees it unset may be sure.
        self.began = True
        if self._unwanted:
            self.began = False
            return None
        returned = self._generate(request, self._context)
        if is_asynchronous(returned):
            return returned
        chunks = iterable_chunks(self._engine, returned)
        try:
            self._push_all(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return None

    def _push_all(self, chunks: Iterable[Any]) -> None:
        push = self._sink.push_blocking
        remaining = iter(chunks)
        for chunk in remaining:
            pushed = push(chunk)
            if pushed is False:
                log_refusal(self._context, self._sink)
                return
            if pushed is True:
                for more in remaining:
                    log_one_more(self._context, self._engine, more)
                    return
                return
            if self._unwanted:
                return
        if self._says_end and not (self._cancelled or self._context.is_stopped()):
            raise without_terminal(self._engine)


def _resolve(
    ended: asyncio.Future[tuple[Any, BaseException | None]],
    outcome: tuple[Any, BaseException | None],
) -> None:
    if not ended.done():
        ended.set_result(outcome)
