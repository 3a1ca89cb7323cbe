"""What the router and the operators are told of the KV cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...._core import KvPublisher, SnapshotPublisher

DP_RANK = 0
"""The only data-parallel rank that there is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KvUse:
    """The state of the KV cache.

    Attributes:
        total_blocks: Blocks that there are.
        used_blocks: Blocks of the requests that are running; what is kept of others gives way.
        hit_rate: Part of all prompt tokens so far that were found; None: not measured.
        saved_bytes: What prompts that left their slots take of the host's memory.
    """

    total_blocks: int
    used_blocks: int
    hit_rate: float | None
    saved_bytes: int


class KvReports:
    """Passes on what the step loop's thread reports, to the publishers that the worker gave.

    Without a publisher there is nobody to tell: what is reported then is dropped.
    """

    def __init__(self) -> None:
        self._events: KvPublisher | None = None
        self._snapshots: SnapshotPublisher | None = None
        self._last: KvUse | None = None

    def publish_events(self, publisher: KvPublisher) -> None:
        """Makes KV events go to ``publisher``; called before there are any."""
        self._events = publisher

    def publish_snapshots(self, publisher: SnapshotPublisher) -> None:
        """Makes snapshots go to ``publisher``, first the state at the start."""
        self._snapshots = publisher
        self._push()

    def stored(
        self,
        parent_hash: int | None,
        blocks: Sequence[tuple[int, Sequence[int]]],
        adapter: str | None,
    ) -> None:
        """Blocks are in the cache: (hash, tokens) of each, behind ``parent_hash``."""
        if self._events is not None:
            self._events.publish_stored(blocks, parent_hash=parent_hash, lora_name=adapter)

    def removed(self, block_hashes: Sequence[int]) -> None:
        """Blocks are no longer in the cache."""
        if self._events is not None:
            self._events.publish_removed(block_hashes)

    @property
    def use(self) -> KvUse | None:
        """The newest state; None: there was none yet. May be asked from any thread."""
        return self._last

    def snapshot(self, use: KvUse) -> None:
        """The state after a step; passed on where it is another than the last one."""
        if use != self._last:
            self._last = use
            self._push()

    def _push(self) -> None:
        if self._snapshots is None or self._last is None:
            return
        self._snapshots.push(
            DP_RANK,
            total_blocks=self._last.total_blocks,
            used_blocks=self._last.used_blocks,
            kv_cache_hit_rate=self._last.hit_rate,
        )
