"""An engine of theirs as a `Worker` calls it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from .._serving.generate import not_chunks
from ..publish import MetricsBindings
from . import engine_config, kv_sources, worker_config
from .context import ReferenceContext
from .endpoint import ReferenceEndpoint
from .errors import as_ours
from .metrics import ReferenceMetrics
from .package import theirs
from .shape import check_config, check_engine
from .snapshots import ReferenceSnapshotPublisher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from .._core import AdapterCards, RequestContext, SnapshotPublisher
    from ..config import EngineConfig, WorkerConfig
    from ..messages import Chunk, Request
    from ..publish import MetricsContext, PushKvEvents, ZmqKvEvents

_logger = logging.getLogger("dynamo_backend_common")


def wrap(engine: Any, config: Any) -> ReferenceEngine:
    """The engine ``engine`` of theirs, with their ``config``, for a `Worker`; named as it is.

    Raises:
        InvalidArgument: One of the two is none of theirs.
    """
    check_engine(engine)
    check_config(config)
    kind = type(engine)
    # Logs and errors name an engine by its class, and the kit its lines by their module.
    own = type(kind.__name__, (ReferenceEngine,), {"__module__": kind.__module__})
    wrapped: ReferenceEngine = own(engine, config)
    return wrapped


class ReferenceEngine:
    """The hooks of a worker, each as theirs of that name or purpose.

    What theirs raises of ``dynamo.llm.exceptions`` is raised as ours of that name.
    """

    # As their own worker gives them.
    token_ids_as_list: ClassVar[bool] = True

    def __init__(self, engine: Any, config: Any) -> None:
        self._engine = engine
        self._config = config
        self._worker_id = 0

    def configure(self, config: WorkerConfig) -> WorkerConfig:
        """What their configuration decides is decided by it."""
        merged = worker_config.merged(config, self._config)
        if merged.disaggregation_mode == "Prefill" and not self._can_be_asked():
            _logger.warning(
                "%s does not define is_quiescent: on shutdown this prefill worker keeps its KV"
                " cache for all of DYN_PREFILL_DRAIN_TIMEOUT_S, as peers may still fetch from it",
                type(self).__name__,
            )
        return merged

    def _can_be_asked(self) -> bool:
        inherited = theirs("common.backend", "BaseEngine").is_quiescent
        return type(self._engine).is_quiescent is not inherited

    async def start(self, worker_id: int) -> EngineConfig:
        """Starts theirs."""
        with as_ours():
            started = await self._engine.start(worker_id)
        self._worker_id = worker_id
        return engine_config.flattened(started)

    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        """Passes its chunks on; its generator is closed in the task that iterated it."""
        chunks = self._engine.generate(request, ReferenceContext(context))
        if not hasattr(chunks, "__aiter__"):
            raise not_chunks(type(self).__name__, chunks)
        with as_ours():
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                if hasattr(chunks, "aclose"):
                    await chunks.aclose()

    async def abort(self, context: RequestContext) -> None:
        """Tells theirs."""
        with as_ours():
            await self._engine.abort(ReferenceContext(context))

    async def is_quiescent(self) -> bool | None:
        """Asks theirs; None where it does not say."""
        with as_ours():
            quiescent: bool | None = await self._engine.is_quiescent()
        return quiescent

    async def cleanup(self) -> None:
        """Cleans theirs up."""
        with as_ours():
            await self._engine.cleanup()

    async def setup_metrics(self, context: MetricsContext) -> MetricsBindings:
        """Has theirs register its metrics, and asks for which ranks it has snapshots."""
        with as_ours():
            await self._engine.register_prometheus(ReferenceMetrics(context.metrics))
            ranks = tuple(self._engine.component_metrics_dp_ranks())
        return MetricsBindings(dp_ranks=ranks, on_publisher_ready=self._attach)

    def _attach(self, publisher: SnapshotPublisher) -> None:
        with as_ours():
            self._engine.attach_snapshot_publisher(ReferenceSnapshotPublisher(publisher))

    async def kv_event_sources(self) -> Sequence[ZmqKvEvents | PushKvEvents]:
        """Asks theirs."""
        with as_ours():
            sources = await self._engine.kv_event_sources()
        return kv_sources.converted(sources)

    async def health_check_payload(self) -> Mapping[str, Any] | None:
        """Asks theirs."""
        with as_ours():
            payload: Mapping[str, Any] | None = await self._engine.health_check_payload()
        return payload

    async def on_adapter_cards(self, cards: AdapterCards) -> None:
        """Hands theirs the endpoint."""
        with as_ours():
            await self._engine.on_endpoint_ready(ReferenceEndpoint(cards, self._worker_id))

    async def supported_controls(self) -> Sequence[str]:
        """The set of theirs, in alphabetical order."""
        with as_ours():
            return sorted(self._engine.supported_controls())

    async def engine_control(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Has theirs perform a control."""
        with as_ours():
            reply: Mapping[str, Any] = await self._engine.engine_control(name, body)
        return reply

    async def supported_updates(self) -> Sequence[str]:
        """The set of theirs, in alphabetical order."""
        with as_ours():
            return sorted(self._engine.supported_updates())

    async def engine_update(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Has theirs perform an update."""
        with as_ours():
            reply: Mapping[str, Any] = await self._engine.engine_update(name, body)
        return reply
