"""Whose turn it is, where a step is for one of several only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

STEPS_OF_A_TURN = 4
"""With another adapter llama.cpp makes its graphs and their memory anew, for about twenty
milliseconds; so nobody's turn is one step only. A longer one would keep the others waiting."""


class Turns(Generic[T]):
    """Gives those who want steps some of them in turn, in the order in which they came to want."""

    def __init__(self) -> None:
        self._queue: list[T] = []
        self._left = 0

    def next(self, wanting: Iterable[T]) -> T:
        """Who has the next step.

        Args:
            wanting: Who wants one, at least one, as often as you like. Who is not among them has
                lost its place.
        """
        wanted = dict.fromkeys(wanting)
        queue = [each for each in self._queue if each in wanted]
        queue += [each for each in wanted if each not in queue]
        if not self._queue or queue[0] is not self._queue[0]:
            self._left = STEPS_OF_A_TURN
        elif self._left == 0:
            queue.append(queue.pop(0))
            self._left = STEPS_OF_A_TURN
        self._left -= 1
        self._queue = queue
        return queue[0]
