"""What there is to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What the engine is busy with.

    Attributes:
        steps: Steps that were made so far.
        running: Requests that have a slot.
        waiting: Requests that wait for one.
        free_slots: Slots that nobody has.
    """

    steps: int
    running: int
    waiting: int
    free_slots: int
