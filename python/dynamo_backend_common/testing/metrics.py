"""Metrics that nobody reads, in the place of those that a worker hands to an engine."""

from __future__ import annotations

import os


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
