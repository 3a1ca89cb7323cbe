"""Publishers that remember, in the place of those that a worker hands to an engine."""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, SupportsIndex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..publish import BlockHash

_MOST_PROBLEMS = 5


class RecordedKvPublisher:
    """Takes KV events as a `KvPublisher` and holds them against each other."""

    def __init__(self, dp_rank: int, block_size: int) -> None:
        self.dp_rank = dp_rank
        self.block_size = block_size
        self.problems: list[str] = []
        self.stored: Counter[int] = Counter()
        self._lock = threading.Lock()

    def publish_stored(
        self,
        blocks: Iterable[Any],
        token_ids: Iterable[SupportsIndex] | None = None,
        *,
        parent_hash: BlockHash | None = None,
    ) -> None:
        """Notes the blocks; see `KvPublisher.publish_stored`."""
        if token_ids is None:
            pairs = [(_hash(name), len(list(tokens))) for name, tokens in blocks]
            names = [name for name, _ in pairs]
            are_whole = all(length == self.block_size for _, length in pairs)
        else:
            names = [_hash(name) for name in blocks]
            are_whole = len(list(token_ids)) == len(names) * self.block_size
        with self._lock:
            if parent_hash is not None and not self.stored[_hash(parent_hash)]:
                self._problem(f"stored behind parent {parent_hash!r}, which is not stored")
            if not are_whole:
                self._problem(f"stored blocks {names}, not all with {self.block_size} tokens")
            self.stored.update(names)

    def publish_removed(self, block_hashes: Iterable[BlockHash]) -> None:
        """Notes that they went; see `KvPublisher.publish_removed`."""
        names = [_hash(name) for name in block_hashes]
        with self._lock:
            for name in names:
                if self.stored[name]:
                    self.stored[name] -= 1
                else:
                    self._problem(f"removed block {name}, which is not stored")

    def publish_cleared(self) -> None:
        """Notes that all went; see `KvPublisher.publish_cleared`."""
        with self._lock:
            self.stored.clear()

    def _problem(self, problem: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(f"rank {self.dp_rank}: {problem}")


class IgnoredSnapshots:
    """Takes snapshots as a `SnapshotPublisher`, and does nothing with them."""

    def push(
        self,
        dp_rank: int,
        *,
        total_blocks: int,
        used_blocks: int,
        kv_cache_hit_rate: float | None = None,
    ) -> None:
        """See `SnapshotPublisher.push`."""
        for count in (dp_rank, total_blocks, used_blocks):
            if count < 0:
                raise OverflowError(f"push: {count} is negative")
        if kv_cache_hit_rate is not None:
            float(kv_cache_hit_rate)


class UnreadMetrics:
    """The metrics of an endpoint that nobody scrapes, below `EndpointMetrics`."""

    def __init__(self) -> None:
        self.labels: list[tuple[str, str]] = []

    def set_exposition(self, text: str) -> None:
        """Takes a text that nobody reads."""

    def add_source(self) -> UnreadSource:
        """Adds one that is never asked for."""
        return UnreadSource()


class UnreadSource:
    """One text of such metrics."""

    def __init__(self) -> None:
        self._bell = os.eventfd(0)
        self.closed = False

    def fileno(self) -> int:
        """What a thread waits for that would make the text."""
        return self._bell

    def show(self, text: str) -> None:
        """Takes a text that nobody reads."""

    def failed(self) -> None:
        """Takes note of nothing."""

    def close(self) -> None:
        """Ends the thread that waits."""
        self.closed = True
        os.eventfd_write(self._bell, 1)


def _hash(name: Any) -> int:
    if isinstance(name, bytes | bytearray | memoryview):
        return int.from_bytes(bytes(name)[-8:], "big")
    return int(name) & (2**64 - 1)
