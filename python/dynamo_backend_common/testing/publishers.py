"""Publishers that nobody reads, in the place of those that a worker hands to an engine."""

from __future__ import annotations

import os


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
