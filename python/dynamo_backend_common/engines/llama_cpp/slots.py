"""The sequence numbers of llama.cpp's context, each lent to one request at a time."""

from __future__ import annotations


class Slots:
    """A fixed number of slots, numbered from 0.

    Attributes:
        total: Number of slots.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = list(reversed(range(total)))

    @property
    def free(self) -> int:
        """Number of slots that are not lent."""
        return len(self._free)

    def take(self) -> int | None:
        """Lends a slot; None where all are lent."""
        return self._free.pop() if self._free else None

    def give_back(self, slot: int) -> None:
        """Ends the lending of ``slot``."""
        self._free.append(slot)
