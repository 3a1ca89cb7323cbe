"""The task of one request: iterates the engine's generator into the core, and always closes it."""

from __future__ import annotations

import asyncio
import inspect
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any

from .._core import StepStream
from .._log.request import current_request
from .generate import returned_chunks
from .iteration import ThreadIteration
from .stream import log_failure, log_no_end, log_one_more, log_refusal, without_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core import RequestContext, Sink
    from .threads import RequestThreads

# What a generator that sees the stop by itself has for ending before it is cancelled.
_MOMENT_SECONDS = 0.1
# What it has for ending after its terminal chunk.
_LAST_MOMENT_SECONDS = 1.0


class Pump:
    """One request. Whatever awaits in its generator awaits in this one task.

    With ``threads`` its ``generate`` is synchronous: one of them calls and iterates it, and the
    task waits for that. ``says_end``: its last chunk says that it is the last.
    """

    def __init__(
        self,
        generate: Callable[[Any, RequestContext], Any],
        engine: str,
        request: dict[str, Any],
        context: RequestContext,
        sink: Sink,
        threads: RequestThreads | None = None,
        *,
        says_end: bool = True,
    ) -> None:
        self._generate = generate
        self._says_end = says_end
        self._engine = engine
        self.context = context
        self._sink = sink
        self._thread: ThreadIteration | None = None
        if threads is not None:
            self._thread = ThreadIteration(
                generate, engine, context, sink, threads, says_end=says_end
            )
        # Whether chunks are made on the event loop's thread, in the task.
        self._on_loop = self._thread is None
        self._began = False
        self._cancelling = False
        # Its terminal chunk is out, or its error.
        self._over = False
        # It was told to end, by its cancellation or by `aclose`: its end is not interrupted.
        self._told = False
        self._by_steps: StepStream | None = None
        self._last_moment: asyncio.TimerHandle | None = None
        self.aborted = False
        """The engine's ``abort`` had its turn."""
        self.steps_let_go = False
        """The engine's ``abort`` returned: no step loop has it any more, if one had."""
        self.task = asyncio.get_running_loop().create_task(self._run(request))

    @property
    def id(self) -> str:
        """The request's."""
        return self.context.id

    @property
    def began(self) -> bool:
        """Whether the engine's ``generate`` was called."""
        return self._began if self._thread is None else self._thread.began

    @property
    def in_thread(self) -> bool:
        """Whether a thread has it, which nothing can interrupt."""
        return not (self._on_loop or self.task.done())

    def cancel(self) -> None:
        """Nobody wants the rest. The generator has a moment to end by itself; then it is cancelled.

        It is cancelled once: what it awaits in its ``finally`` is not interrupted.
        """
        if not self._cancelling:
            self._cancelling = True
            if self._thread is not None:
                self._thread.withdraw()
            self.task.get_loop().call_later(_MOMENT_SECONDS, self._cancel_now)

    def end(self) -> None:
        """Cancels it, unless it was told to end already; from a thread it is taken away."""
        if self.in_thread and self._thread is not None:
            # It looks between two chunks. The request ends now.
            self._thread.cancel()
            self._sink.finish()
        elif not self._told:
            self._told = True
            self.task.cancel()

    def fail(self, raised: BaseException) -> None:
        """Ends its stream with this error, without the event loop, which is gone."""
        self._sink.fail(raised)
        if self._thread is not None:
            self._thread.cancel()

    def abandon(self) -> None:
        """Gives up a thread that does not end; should it come back, it closes its generator."""
        if self.in_thread:
            self.task.cancel()

    def _cancel_now(self) -> None:
        if not (self._over and self._on_loop):
            self.end()
        elif not (self.task.done() or self._told or self._last_moment):
            loop = self.task.get_loop()
            self._last_moment = loop.call_later(_LAST_MOMENT_SECONDS, self.overstays)

    def overstays(self) -> None:
        """Its stream has been over for a moment. What still goes on is cancelled."""
        if not (self.task.done() or self._told):
            log_no_end(self.context, self._engine, in_thread=self.in_thread)
            self.end()

    @property
    def is_busy(self) -> bool:
        """Whether a task, a thread or a step loop still has the request."""
        steps = self._by_steps
        by_steps = steps is not None and steps.is_open and not self.steps_let_go
        return by_steps or not self.task.done()

    async def _run(self, request: dict[str, Any]) -> None:
        chunks: Any = None
        current_request.set(self.context)
        try:
            # A client that left already is not to cost a prefill.
            if not self._sink.may_abort:
                chunks = await self._chunks(request)
            if chunks is not None:
                # Here: each wake-up of the generator passes through all coroutines above it.
                push = self._sink.push
                async for chunk in chunks:
                    pushed = push(chunk)
                    if pushed is not None and not await self._goes_on(pushed, chunks):
                        break
                else:
                    if self._says_end and not self.context.is_stopped():
                        raise without_terminal(self._engine)
        except asyncio.CancelledError as cancelled:
            if self._on_loop and not (self._told or self._over):
                # Not by us: by something of the engine's own.
                self.log(cancelled)
            if not self.context.is_stopped():
                self._sink.fail(cancelled)
        except GeneratorExit:
            raise
        # SystemExit and KeyboardInterrupt too: one request must not end the process.
        except BaseException as raised:
            self.log(raised)
            self._sink.fail(raised)
        finally:
            self._over = True
            if self._by_steps is None:
                self._sink.finish()
            await self._close(chunks)
            if self._last_moment is not None:
                self._last_moment.cancel()
            self._sink.task_ended()

    async def _chunks(self, request: dict[str, Any]) -> Any:
        """What is to be iterated here; None where a thread did it, or steps do."""
        if self._thread is None:
            self._began = True
            returned = self._generate(request, self.context)
        else:
            returned = await self._thread.run(request)
            if returned is None:
                return None
            self._on_loop = True
        if isinstance(returned, AsyncGeneratorType):
            return returned
        if inspect.isawaitable(returned):
            returned = await returned
        if isinstance(returned, StepStream):
            # From here on its chunks come by steps.
            self._by_steps = returned
            returned.begin()
            return None
        if hasattr(returned, "__aiter__"):
            return returned
        return returned_chunks(self._engine, returned)

    async def _goes_on(self, pushed: Any, chunks: Any) -> bool:
        """Whether the core takes another chunk, after what it answered to the last one."""
        if not isinstance(pushed, bool):
            pushed = await pushed
            if pushed is None:
                return True
        if pushed:
            await self._expect_end(chunks)
        else:
            log_refusal(self.context, self._sink)
        return False

    async def _expect_end(self, chunks: Any) -> None:
        """The terminal chunk is out; the generator runs to its end."""
        self._over = True
        async for chunk in chunks:
            log_one_more(self.context, self._engine, chunk)
            return

    async def _close(self, chunks: Any) -> None:
        if not hasattr(chunks, "aclose"):
            return
        self._told = True
        try:
            await chunks.aclose()
        except asyncio.CancelledError:
            pass
        except GeneratorExit:
            raise
        except BaseException as raised:
            self.log(raised)

    def log(self, raised: BaseException) -> None:
        """Logs what the engine raised in this request."""
        log_failure(self.context.id, self._engine, raised)
