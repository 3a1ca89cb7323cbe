"""Drafts without a model: what followed the newest tokens where they stood before.

It is llama.cpp's ``ngram-simple``, but that it also follows a repetition that is still going on,
and that it looks n-grams up instead of searching for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence as List

    from .sequence import Sequence


class NGramDrafter:
    """Guesses from the prompt and output of the request itself."""

    def __init__(self, *, size_n: int, size_m: int) -> None:
        """Looks for n-grams.

        Args:
            size_n: Tokens that must have stood there before.
            size_m: Tokens of a draft at most.
        """
        self._size_n = size_n
        self._size_m = size_m
        self._histories: dict[Sequence, _History] = {}

    def read(self, sequence: Sequence) -> None:
        """Nothing is to be done before there is output."""

    def draft(self, wanted: List[tuple[Sequence, int]]) -> List[List[int]]:
        """What followed the last occurrence of the newest tokens of each request."""
        return [
            self._history(sequence).after_newest(min(most, self._size_m))
            for sequence, most in wanted
        ]

    def forget(self, sequence: Sequence) -> None:
        """The request has left its slot."""
        self._histories.pop(sequence, None)

    def interrupt(self) -> None:
        """Nothing takes long."""

    def _history(self, sequence: Sequence) -> _History:
        history = self._histories.get(sequence)
        if history is None:
            history = self._histories[sequence] = _History(self._size_n)
        history.extend(sequence.tokens_from(len(history)))
        return history


class _History:
    """The tokens of a request, and where each n-gram of them stood last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._tokens: list[int] = []
        # Of each n-gram but the newest one: the place behind its last occurrence.
        self._places: dict[tuple[int, ...], int] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def extend(self, tokens: List[int]) -> None:
        first = max(len(self._tokens), self._size)
        self._tokens.extend(tokens)
        for place in range(first, len(self._tokens)):
            self._places[self._ending_at(place)] = place

    def after_newest(self, count: int) -> list[int]:
        tokens, length = self._tokens, len(self._tokens)
        place = self._places.get(self._ending_at(length))
        if place is None:
            return []
        draft: list[int] = []
        # Behind the newest token it goes on with itself: a repetition.
        for source in range(place, place + count):
            draft.append(tokens[source] if source < length else draft[source - length])
        return draft

    def _ending_at(self, place: int) -> tuple[int, ...]:
        return tuple(self._tokens[max(place - self._size, 0) : place])
