"""What ``attach_snapshot_publisher`` gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._core import SnapshotPublisher


class ReferenceSnapshotPublisher:
    """A publisher of snapshots, called as theirs is: from any thread, without waiting."""

    def __init__(self, publisher: SnapshotPublisher) -> None:
        self._publisher = publisher

    def publish(self, dp_rank: int, snapshot: Any) -> None:
        """Publishes a ``ComponentSnapshot``; its ``gpu_cache_usage`` is computed of its blocks."""
        self._publisher.push(
            dp_rank,
            total_blocks=snapshot.kv_total_blocks,
            used_blocks=snapshot.kv_used_blocks,
            kv_cache_hit_rate=snapshot.kv_cache_hit_rate,
        )
