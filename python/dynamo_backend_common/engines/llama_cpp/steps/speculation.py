"""Speculative decoding: tokens are guessed, and the model computes all of them in one step.

A guess that is what the request's own sampler then chooses spares a step; all others leave the
context again. Each token is the sampler's own choice by the model's own logits, so that output has
the distribution that it has without guesses, whoever made them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence as List

    from .sequence import Sequence


class Drafter(Protocol):
    """Guesses what requests will produce."""

    def read(self, sequence: Sequence) -> None:
        """A piece of a request's prompt is in the context."""

    def draft(self, wanted: List[tuple[Sequence, int]]) -> List[List[int]]:
        """Guesses, for each request, up to a number of tokens that follow its newest one."""

    def forget(self, sequence: Sequence) -> None:
        """The request has left its slot."""

    def interrupt(self) -> None:
        """Makes what computes now give up, and all from then on; from any thread."""


class Speculation:
    """The drafts of all requests."""

    def __init__(self, drafters: List[Drafter] = (), *, longest: int = 0) -> None:
        """Takes charge of ``drafters``.

        Args:
            drafters: Who guesses; the first that has a guess for a request is followed.
            longest: Tokens of a draft at most.
        """
        self._drafters = drafters
        self._longest = longest

    def read(self, sequence: Sequence) -> None:
        """A piece of a request's prompt is in the context."""
        for drafter in self._drafters:
            drafter.read(sequence)

    def draft(self, sequences: List[Sequence]) -> List[List[int]]:
        """Guesses what follows the newest token of each request; an empty list: no guess."""
        drafts: list[List[int]] = [()] * len(sequences)
        for drafter in self._drafters:
            # The step makes one more token than it guesses.
            wanted = [
                (number, min(self._longest, each.left - 1))
                for number, each in enumerate(sequences)
                if not drafts[number] and each.left > 1
            ]
            made = drafter.draft([(sequences[number], most) for number, most in wanted])
            for (number, most), draft in zip(wanted, made, strict=True):
                drafts[number] = draft[:most]
        return drafts

    def forget(self, sequence: Sequence) -> None:
        """The request has left its slot."""
        for drafter in self._drafters:
            drafter.forget(sequence)

    def interrupt(self) -> None:
        """Makes the draft that is made now give up, and each from then on; from any thread."""
        for drafter in self._drafters:
            drafter.interrupt()
