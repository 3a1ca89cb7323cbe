"""Between the compiled core and a Python engine: its requests and its hooks.

Everything here runs on the event loop's thread. The core calls it by posting messages to the loop.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from ._pump import Pump, log_failure, logger
from .exceptions import InvalidArgument
from .publish import MetricsContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._core import EndpointMetrics, RequestContext, Sink

_LAST_CALL_SECONDS = 1.0
_REQUIRED = ("start", "generate", "cleanup")


class Bridge:
    """A Python engine as the core calls it: every hook exists and can be awaited."""

    def __init__(self, engine: Any, on_progress: Callable[..., None] | None) -> None:
        if isinstance(engine, type):
            name = engine.__name__
            raise InvalidArgument(f"engine: {name} is a class; give an instance of it: {name}()")
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
        # The loop itself holds tasks by weak references only.
        self._pumps: set[Pump] = set()

    async def start(self, worker_id: int) -> Any:
        start = self._engine.start
        if "progress" in inspect.signature(start).parameters:
            return await start(worker_id, progress=self._report)
        return await start(worker_id)

    def _report(self, message: str, fraction: float | None = None) -> None:
        if self._on_progress is not None:
            self._on_progress(message, fraction)

    def serve(self, request: dict[str, Any], context: RequestContext, sink: Sink) -> Pump:
        """Starts the task of one request; the core calls ``cancel`` of what this returns."""
        pump = Pump(self._engine.generate, self.name, request, context, sink)
        self._pumps.add(pump)
        pump.task.add_done_callback(lambda _: self._pumps.discard(pump))
        return pump

    async def abort(self, context: RequestContext) -> None:
        """Tells the engine, and cancels the request's task: it may never yield again."""
        for pump in self._pumps:
            if pump.request_id == context.id:
                pump.cancel()
        abort = getattr(self._engine, "abort", None)
        try:
            if abort is not None:
                await abort(context)
        except Exception as raised:
            log_failure(context.id, self.name, raised)

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
        for pump in self._pumps:
            pump.cancel_now()
        if not self._pumps:
            return
        tasks = {pump.task for pump in self._pumps}
        _, stuck = await asyncio.wait(tasks, timeout=_LAST_CALL_SECONDS)
        for task in stuck:
            task.cancel()
        if stuck:
            logger.error("%s: %d generators did not end when cancelled", self.name, len(stuck))

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
