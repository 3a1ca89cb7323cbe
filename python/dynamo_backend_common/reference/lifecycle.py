"""What every engine of theirs has, as a `Worker` calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._serving.generate import not_chunks
from ..publish import MetricsBindings
from . import engine_config, worker_config
from .context import ReferenceContext
from .errors import as_ours
from .metrics import ReferenceMetrics
from .snapshots import ReferenceSnapshotPublisher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from .._core import RequestContext, SnapshotPublisher
    from ..config import EngineConfig, WorkerConfig
    from ..publish import MetricsContext


class ReferenceLifecycle:
    """The hooks that an engine of any kind has, each as theirs of that name or purpose.

    What theirs raises of ``dynamo.llm.exceptions`` is raised as ours of that name.
    """

    def __init__(self, engine: Any, config: Any) -> None:
        self._engine = engine
        self._config = config
        self._worker_id = 0

    def configure(self, config: WorkerConfig) -> WorkerConfig:
        """What their configuration decides is decided by it."""
        return worker_config.merged(config, self._config)

    async def start(self, worker_id: int) -> EngineConfig:
        """Starts theirs."""
        with as_ours():
            started = await self._engine.start(worker_id)
        self._worker_id = worker_id
        return engine_config.flattened(started)

    async def generate(self, request: Any, context: RequestContext) -> AsyncIterator[Any]:
        """Passes its chunks on; its generator is closed in the task that iterated it."""
        with as_ours():
            chunks = self._engine.generate(request, ReferenceContext(context))
            if not hasattr(chunks, "__aiter__"):
                raise not_chunks(type(self).__name__, chunks)
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

    async def health_check_payload(self) -> Mapping[str, Any] | None:
        """Asks theirs."""
        with as_ours():
            payload: Mapping[str, Any] | None = await self._engine.health_check_payload()
        return payload

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
