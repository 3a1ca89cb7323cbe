"""The task of one request: iterates the engine's generator into the core, and always closes it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any

from ._core import StepStream
from .exceptions import DynamoError, StreamIncomplete

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._core import RequestContext, Sink

logger = logging.getLogger("dynamo_backend_common")

# What a generator that sees the stop by itself has for ending before it is cancelled.
_MOMENT_SECONDS = 0.1


class Pump:
    """One request. Whatever awaits in its generator awaits in this one task."""

    def __init__(
        self,
        generate: Callable[[Any, RequestContext], Any],
        engine: str,
        request: dict[str, Any],
        context: RequestContext,
        sink: Sink,
    ) -> None:
        self._generate = generate
        self._engine = engine
        self._context = context
        self._sink = sink
        self._cancelling = False
        # From the terminal chunk, an error or the cancellation on, nothing interrupts the end.
        self._ending = False
        self._by_steps = False
        self.task = asyncio.get_running_loop().create_task(self._run(request))

    def cancel(self) -> None:
        """Nobody wants the rest. The generator has a moment to end by itself; then it is cancelled.

        It is cancelled once: what it awaits in its ``finally`` is not interrupted.
        """
        if not self._cancelling:
            self._cancelling = True
            self.task.get_loop().call_later(_MOMENT_SECONDS, self.cancel_now)

    def cancel_now(self) -> None:
        """Cancels the generator, unless it is ending already."""
        if not self._ending:
            self._ending = True
            self.task.cancel()

    async def _run(self, request: dict[str, Any]) -> None:
        chunks: Any = None
        try:
            chunks = self._generate(request, self._context)
            if inspect.iscoroutine(chunks):
                chunks = await chunks
            if isinstance(chunks, StepStream):
                # From here on its chunks come by steps.
                self._by_steps = True
                return
            if not hasattr(chunks, "__aiter__"):
                raise _not_a_generator(self._engine, chunks)
            await self._push_all(chunks)
        except asyncio.CancelledError as cancelled:
            if not self._ending:
                # Not by us: by something of the engine's own.
                self.log(cancelled)
            if not self._context.is_stopped():
                self._sink.fail(cancelled)
        except GeneratorExit:
            raise
        # SystemExit and KeyboardInterrupt too: one request must not end the process.
        except BaseException as raised:
            self.log(raised)
            self._sink.fail(raised)
        finally:
            self._ending = True
            if not self._by_steps:
                self._sink.finish()
            await self._close(chunks)

    async def _push_all(self, chunks: Any) -> None:
        push = self._sink.push
        async for chunk in chunks:
            pushed = push(chunk)
            if pushed is None:
                continue
            if not isinstance(pushed, bool):
                pushed = await pushed
            if pushed is False:
                self._log_refusal()
                return
            if pushed is True:
                await self._expect_end(chunks)
                return
        if not self._context.is_stopped():
            raise StreamIncomplete(
                f"{self._engine} ended the stream without a terminal chunk;"
                " the last chunk must have a finish_reason"
            )

    async def _expect_end(self, chunks: Any) -> None:
        """The terminal chunk is out; the generator runs to its end."""
        self._ending = True
        async for chunk in chunks:
            logger.error(
                "request %s: %s yielded a chunk after the terminal one, which must be last: %.200r",
                self._context.id,
                self._engine,
                chunk,
            )
            return

    def _log_refusal(self) -> None:
        refusal = self._sink.refusal
        if refusal is not None:
            logger.error("request %s: %s", self._context.id, refusal)

    async def _close(self, chunks: Any) -> None:
        if not hasattr(chunks, "aclose"):
            return
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
        log_failure(self._context.id, self._engine, raised)


def log_failure(request_id: str, engine: str, raised: BaseException) -> None:
    """Logs what an engine raised in a request: with its traceback, unless it is typed."""
    if isinstance(raised, DynamoError):
        # The engine, or the pump, said all that there is to know, but for what it came from.
        cause = raised.__cause__
        logger.warning(
            "request %s: %s: %s: %s", request_id, engine, raised.kind, raised, exc_info=cause
        )
    else:
        logger.error("request %s: %s failed", request_id, engine, exc_info=raised)


def _not_a_generator(engine: str, returned: Any) -> TypeError:
    return TypeError(
        f"{engine}.generate returned a value of type {type(returned).__name__}; it must be an async"
        " generator, 'async def generate' that yields chunks, or return a StepStream"
    )
