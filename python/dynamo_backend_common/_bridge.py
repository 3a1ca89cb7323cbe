"""Between the compiled core and a Python engine: one task per request, and the hooks.

Everything here runs on the event loop's thread. The core calls it by posting messages to the loop.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any

from .exceptions import DynamoError, InvalidArgument
from .publish import MetricsContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._core import EndpointMetrics, RequestContext, Sink

logger = logging.getLogger("dynamo_backend_common")

_LAST_CALL_SECONDS = 1.0
_REQUIRED = ("start", "generate", "cleanup")


class Bridge:
    """A Python engine as the core calls it: every hook exists and can be awaited."""

    def __init__(self, engine: Any, on_progress: Callable[..., None] | None) -> None:
        name = type(engine).__name__
        missing = [method for method in _REQUIRED if not callable(getattr(engine, method, None))]
        if missing:
            raise InvalidArgument(
                f"engine: {name} has no method {' and no '.join(missing)};"
                " an engine has start, generate and cleanup"
            )
        self.name = name
        self._engine = engine
        self._on_progress = on_progress
        # With their requests' ids; the loop itself holds tasks by weak references only.
        self._tasks: dict[asyncio.Task[None], str] = {}

    async def start(self, worker_id: int) -> Any:
        start = self._engine.start
        if "progress" in inspect.signature(start).parameters:
            return await start(worker_id, progress=self._report)
        return await start(worker_id)

    def _report(self, message: str, fraction: float | None = None) -> None:
        if self._on_progress is not None:
            self._on_progress(message, fraction)

    def serve(self, request: dict[str, Any], context: RequestContext, sink: Sink) -> Any:
        """Starts the task of one request."""
        task = asyncio.get_running_loop().create_task(self._pump(request, context, sink))
        self._tasks[task] = context.id
        task.add_done_callback(self._tasks.pop)
        return task

    async def _pump(self, request: dict[str, Any], context: RequestContext, sink: Sink) -> None:
        """Iterates the engine's generator in this one task, and always closes it."""
        chunks: Any = None
        try:
            chunks = self._engine.generate(request, context)
            if not hasattr(chunks, "__aiter__"):
                raise _not_a_generator(self.name, chunks)
            await _push_all(chunks, sink, self.name, context.id)
        except asyncio.CancelledError as cancelled:
            if not context.is_stopped():
                sink.fail(cancelled)
        except GeneratorExit:
            raise
        # SystemExit and KeyboardInterrupt too: one request must not end the process.
        except BaseException as raised:
            self._log(raised, context.id)
            sink.fail(raised)
        finally:
            sink.finish()
            await self._close(chunks, context.id)

    async def _close(self, chunks: Any, request_id: str) -> None:
        if not hasattr(chunks, "aclose"):
            return
        try:
            await chunks.aclose()
        except asyncio.CancelledError:
            pass
        except GeneratorExit:
            raise
        except BaseException as raised:
            self._log(raised, request_id)

    def _log(self, raised: BaseException, request_id: str) -> None:
        if isinstance(raised, DynamoError):
            # Typed: the engine said what the client is to know.
            logger.warning(
                "request %s: %s raised %s: %s", request_id, self.name, raised.kind, raised
            )
        else:
            logger.error("request %s: %s failed", request_id, self.name, exc_info=raised)

    async def abort(self, context: RequestContext) -> None:
        """Tells the engine, and cancels the request's task: it may never yield again.

        The engine hears of it first; neither waits for the other's end.
        """
        told = asyncio.ensure_future(self._tell_engine(context))
        await asyncio.sleep(0)
        for task, request_id in self._tasks.items():
            if request_id == context.id:
                task.cancel()
        await told

    async def _tell_engine(self, context: RequestContext) -> None:
        abort = getattr(self._engine, "abort", None)
        try:
            if abort is not None:
                await abort(context)
        except Exception as raised:
            self._log(raised, context.id)

    async def drain(self) -> None:
        await self._logged("drain")

    async def is_quiescent(self) -> bool | None:
        quiescent: bool | None = await self._logged("is_quiescent", default=True)
        return quiescent

    async def cleanup(self) -> None:
        await self._end_tasks()
        await self._logged("cleanup")

    async def _end_tasks(self) -> None:
        """Generators that outlived their requests end before what they stand on goes."""
        for task in self._tasks:
            task.cancel()
        if not self._tasks:
            return
        _, stuck = await asyncio.wait(self._tasks, timeout=_LAST_CALL_SECONDS)
        if stuck:
            logger.error("%s: %d generators do not end when cancelled", self.name, len(stuck))

    async def setup_metrics(
        self, model: str, component: str, load_time: float, metrics: EndpointMetrics
    ) -> Any:
        setup_metrics = getattr(self._engine, "setup_metrics", None)
        if setup_metrics is None:
            return None
        return await setup_metrics(
            MetricsContext(
                model=model,
                component=component,
                model_load_time_seconds=load_time,
                metrics=metrics,
            )
        )

    async def kv_event_sources(self) -> Any:
        return await self._optional("kv_event_sources", default=())

    async def health_check_payload(self) -> Any:
        return await self._logged("health_check_payload")

    async def supported_controls(self) -> list[str]:
        return list(await self._optional("supported_controls", default=()))

    async def engine_control(self, name: str, body: Any) -> Any:
        return await self._logged("engine_control", name, body)

    async def _logged(self, hook: str, *arguments: Any, default: Any = None) -> Any:
        """Calls a hook whose failure does not end the run; the log has its traceback."""
        try:
            return await self._optional(hook, *arguments, default=default)
        except Exception:
            logger.exception("%s.%s failed", self.name, hook)
            raise

    async def _optional(self, hook: str, *arguments: Any, default: Any = None) -> Any:
        method = getattr(self._engine, hook, None)
        return default if method is None else await method(*arguments)


async def _push_all(chunks: Any, sink: Sink, engine: str, request_id: str) -> None:
    async for chunk in chunks:
        pushed = sink.push(chunk)
        if pushed is None:
            if not sink.closed:
                continue
            return await _expect_end(chunks, engine, request_id)
        if pushed is False:
            return None
        await pushed
    return None


async def _expect_end(chunks: Any, engine: str, request_id: str) -> None:
    """The terminal chunk is out; the generator runs to its end."""
    async for chunk in chunks:
        logger.error(
            "request %s: %s yielded a chunk after the terminal one, which must be last: %.200r",
            request_id,
            engine,
            chunk,
        )
        return


def _not_a_generator(engine: str, returned: Any) -> TypeError:
    if inspect.iscoroutine(returned):
        returned.close()
        what = "a coroutine"
    else:
        what = f"a value of type {type(returned).__name__}"
    return TypeError(
        f"{engine}.generate returned {what}; it must be an async generator:"
        " 'async def generate' that yields chunks"
    )
