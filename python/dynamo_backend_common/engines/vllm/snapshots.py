"""How full each rank's KV cache is, at every step, where the steps pass through Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..._core import SnapshotPublisher


class Snapshots:
    """One of the ``stat_loggers`` that ``AsyncLLM`` is made with.

    It says nothing until `publish_to`. That it is there has vLLM make its statistics, also with
    ``--disable-log-stats``.
    """

    def __init__(self) -> None:
        self._publisher: SnapshotPublisher | None = None
        self._total_blocks = 0

    def publish_to(self, publisher: SnapshotPublisher, total_blocks: int) -> None:
        """Pushes snapshots from now on.

        Args:
            publisher: The worker's.
            total_blocks: KV blocks of one rank.
        """
        self._total_blocks = total_blocks
        self._publisher = publisher

    def __call__(self, vllm_config: Any, engine_index: int) -> Any:
        """Called by vLLM for each rank: its ``StatLoggerBase``."""
        from vllm.v1.metrics.loggers import StatLoggerBase
        from vllm.v1.metrics.stats import CachingMetrics

        push = self._push

        class RankSnapshots(StatLoggerBase):  # type: ignore[misc]
            def __init__(self, vllm_config: Any, engine_index: int = 0) -> None:  # noqa: ARG002
                self._rank = engine_index
                self._caching = CachingMetrics()

            def record(
                self,
                scheduler_stats: Any,
                iteration_stats: Any,  # noqa: ARG002
                mm_cache_stats: Any = None,  # noqa: ARG002
                engine_idx: int = 0,  # noqa: ARG002
            ) -> None:
                if scheduler_stats is not None:
                    self._caching.observe(scheduler_stats.prefix_cache_stats)
                    push(self._rank, scheduler_stats.kv_cache_usage, self._caching)

            def log_engine_initialized(self) -> None: ...

        return RankSnapshots(vllm_config, engine_index)

    def _push(self, rank: int, usage: float, caching: Any) -> None:
        if self._publisher is None:
            return
        rate = caching.hit_rate if caching.aggregated_query_total else None
        self._publisher.push(
            rank,
            total_blocks=self._total_blocks,
            used_blocks=round(min(max(usage, 0.0), 1.0) * self._total_blocks),
            kv_cache_hit_rate=rate,
        )
