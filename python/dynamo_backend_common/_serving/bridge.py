"""Between the compiled core and a Python engine: its requests and its hooks.

Everything here runs on the event loop's thread. The core calls it by posting messages to the loop.
"""

from __future__ import annotations

import asyncio
import inspect
from asyncio.tasks import _unregister_task
from functools import partial
from typing import TYPE_CHECKING, Any

from .._core import HEALTH_CHECK_KEY, cleanup_seconds
from .._log.request import current_request
from ..config import RuntimeConfig
from ..exceptions import DynamoError, EngineShutdown, InvalidArgument, Unknown
from ..metrics import EndpointMetrics
from ..publish import MetricsContext
from .generate import is_synchronous
from .hooks import check_hooks, defines
from .last_requests import end_requests
from .pump import Pump
from .stream import log_failure, logger
from .threads import RequestThreads
from .update import current_update

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from .._core import AdapterCards, MetricsCore, RequestContext, Sink


class Bridge:
    """A Python engine as the core calls it: every hook exists and can be awaited."""

    def __init__(self, engine: Any, on_progress: Callable[..., None] | None) -> None:
        if isinstance(engine, type):
            name = engine.__name__
            raise InvalidArgument(f"engine: {name} is a class; give an instance of it: {name}()")
        name = type(engine).__name__
        check_hooks(engine)
        self.name = name
        self._engine = engine
        self._on_progress = on_progress
        self._shutdown = asyncio.Event()
        self._cleanup_seconds = cleanup_seconds(RuntimeConfig())
        # Read once by the core.
        self.token_ids_as_list = _as_list(engine)
        # The loop itself holds tasks by weak references only.
        self._pumps: dict[RequestContext, Pump] = {}
        self._threads = RequestThreads()
        self._metrics: EndpointMetrics | None = None
        self._watching: asyncio.Task[Any] | None = None
        # The health canary's last probe.
        self._probe: Pump | None = None
        # The function that was asked last whether it blocks, and the answer.
        self._asked: Any = None
        self._blocks = False

    def configured(self, runtime: RuntimeConfig) -> None:
        """Takes what is configured of the time for the end."""
        self._cleanup_seconds = cleanup_seconds(runtime)

    def check_prefill(self) -> None:
        """Warns of an engine of a prefill worker that cannot say when its KV cache may go."""
        if not any(defines(self._engine, hook) for hook in ("is_quiescent", "drain")):
            logger.warning(
                "%s has neither is_quiescent nor drain: on shutdown this prefill worker keeps its"
                " KV cache for all of DYN_PREFILL_DRAIN_TIMEOUT_S, as peers may still fetch from"
                " it; define is_quiescent",
                self.name,
            )

    async def start(self, worker_id: int) -> Any:
        offered = {"progress": self._report, "shutdown": self._shutdown}
        taken = _parameters(self._engine.start)
        options = {name: value for name, value in offered.items() if name in taken}
        return await self._hook("start", worker_id, **options)

    def shutdown_asked(self) -> None:
        """Tells ``start``, which is running."""
        self._shutdown.set()

    def _report(self, message: str, fraction: float | None = None) -> None:
        if self._on_progress is not None:
            self._on_progress(message, fraction)

    def serve(self, request: dict[str, Any], context: RequestContext, sink: Sink) -> Pump | None:
        """Starts the task of one request.

        The core calls ``cancel`` of what this returns, or ``overstays``; None: it was refused.
        """
        generate = self._engine.generate
        if HEALTH_CHECK_KEY in request and (probe := self._probe) is not None and probe.is_busy:
            sink.fail(Unknown(f"{self.name} has not let go of the probe before this one"))
            return None
        threads = self._threads if self._is_synchronous(generate) else None
        pump = Pump(generate, self.name, request, context, sink, threads)
        self._pumps[context] = pump
        pump.task.add_done_callback(partial(self._done, context, sink))
        if HEALTH_CHECK_KEY in request:
            self._probe = pump
        return pump

    def _done(self, context: RequestContext, sink: Sink, _: object) -> None:
        pump = self._pumps.get(context)
        # One that the engine never saw waits for its `abort`, which is not for the engine either.
        if pump is not None and (pump.began or pump.aborted or not sink.may_abort):
            del self._pumps[context]

    def _is_synchronous(self, generate: Callable[..., Any]) -> bool:
        function = getattr(generate, "__func__", generate)
        if function is not self._asked:
            self._asked, self._blocks = function, is_synchronous(generate)
        return self._blocks

    async def abort(self, context: RequestContext) -> None:
        """Tells the engine, and cancels the request's task: it may never yield again."""
        current_request.set(context)
        pump = self._pumps.get(context)
        if pump is not None:
            pump.aborted = True
            pump.cancel()
            if not pump.began:
                if pump.task.done():
                    del self._pumps[context]
                return
        try:
            await self._hook("abort", context)
        except Exception as raised:
            log_failure(context.id, self.name, raised)
            return
        probe = self._probe
        if probe is not None and probe.context == context and defines(self._engine, "abort"):
            # A step loop that is idle makes no push, by which it would be told.
            probe.steps_let_go = True

    async def watch(self) -> None:
        task = self._watching = asyncio.current_task()
        try:
            await self._hook("watch")
        except Exception:
            # Nobody else reads it then.
            if task is not None and task.cancelling():
                logger.exception("%s.watch failed when it was cancelled", self.name)
            raise

    async def drain(self) -> None:
        await self._logged("drain")

    async def is_quiescent(self) -> bool | None:
        quiescent: bool | None = await self._logged("is_quiescent")
        return quiescent

    async def cleanup(self) -> None:
        await self._end_watch()
        await end_requests(self.name, self._pumps.values(), self._cleanup_seconds)
        try:
            await self._logged("cleanup")
        finally:
            self.end_threads()
            if self._metrics is not None:
                self._metrics.close()
            self._pumps.clear()
            # The runtime's registries hold what serves them for the life of the process.
            self._engine = self._probe = None

    def end_threads(self) -> None:
        """Ends those of synchronous requests, each when it has nothing more to do."""
        self._threads.close()

    async def _end_watch(self) -> None:
        """Gives the watch, which is cancelled, a moment."""
        task, self._watching = self._watching, None
        if task is None:
            return
        # The rest of cleanup's time is the engine's own.
        _, stuck = await asyncio.wait([task], timeout=min(1.0, self._cleanup_seconds / 4))
        if stuck:
            logger.error("%s.watch did not end when cancelled", self.name)
            # The end of the loop would wait for it.
            _unregister_task(task)

    def loop_closed(self) -> None:
        """Ends the streams that need the event loop, which nobody runs any more."""
        gone = EngineShutdown("the event loop of the worker was closed")
        for pump in self._pumps.values():
            pump.fail(gone)

    async def setup_metrics(
        self, model: str, component: str, load_time: float, core: MetricsCore
    ) -> Any:
        self._metrics = EndpointMetrics(core)
        context = MetricsContext(
            model=model,
            component=component,
            model_load_time_seconds=load_time,
            metrics=self._metrics,
        )
        return await self._hook("setup_metrics", context)

    async def kv_event_sources(self) -> Any:
        return await self._hook("kv_event_sources", default=())

    async def hand_over(self, name: str, on_ready: Callable[[Any], Any], publisher: Any) -> None:
        await self._called(name, on_ready, publisher)

    async def health_check_payload(self) -> Any:
        return await self._logged("health_check_payload")

    async def on_adapter_cards(self, cards: AdapterCards) -> None:
        await self._hook("on_adapter_cards", cards)

    async def supported_controls(self) -> Any:
        return await self._hook("supported_controls", default=())

    async def validate_engine_control(self, name: str, body: Any) -> Any:
        try:
            return await self._hook("validate_engine_control", name, body)
        except DynamoError:
            # A refusal, of which the reply says all.
            raise
        except Exception:
            logger.exception("%s.validate_engine_control failed", self.name)
            raise

    async def engine_control(self, name: str, body: Any) -> Any:
        return await self._logged("engine_control", name, body)

    async def supported_updates(self) -> Any:
        return await self._hook("supported_updates", default=())

    async def engine_update(self, name: str, body: Any, update: object) -> Any:
        current_update.set(update)
        return await self._logged("engine_update", name, body)

    async def _logged(self, hook: str, *arguments: Any, default: Any = None) -> Any:
        """Calls a hook whose failure does not end the run; the log has it.

        With its traceback, unless it is typed: then it says itself all that there is to know.
        """
        try:
            return await self._hook(hook, *arguments, default=default)
        except DynamoError as raised:
            what = (self.name, hook, raised.kind, raised)
            logger.error("%s.%s failed: %s: %s", *what, exc_info=raised.__cause__)
            raise
        except Exception:
            logger.exception("%s.%s failed", self.name, hook)
            raise

    async def _hook(self, hook: str, *arguments: Any, default: Any = None, **options: Any) -> Any:
        """Calls a hook, a coroutine function or a plain one, where the engine has it."""
        method = getattr(self._engine, hook, None)
        if method is None:
            return default
        return await self._called(hook, method, *arguments, **options)

    @staticmethod
    async def _called(hook: str, method: Any, *arguments: Any, **options: Any) -> Any:
        try:
            answer = method(*arguments, **options)
            return await answer if inspect.isawaitable(answer) else answer
        except (SystemExit, KeyboardInterrupt) as raised:
            # Out of a task they would end the loop, and with it every request.
            raise Unknown(f"{hook} raised {type(raised).__name__}: {raised}") from raised


def _as_list(engine: Any) -> bool:
    as_list = getattr(engine, "token_ids_as_list", False)
    if not isinstance(as_list, bool):
        raise InvalidArgument(
            f"token_ids_as_list: {as_list!r} of {type(engine).__name__} is neither True nor False"
        )
    return as_list


def _parameters(start: Callable[..., Any]) -> Container[str]:
    try:
        return inspect.signature(start).parameters
    except (TypeError, ValueError):
        return ()
