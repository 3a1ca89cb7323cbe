"""Answers with the prompt, a token at each beat."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ._engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Metronome"]


class Metronome:
    """An engine in Rust; this object hands it over, and has its arguments.

    Args:
        beat_ms: Milliseconds before each token.
    """

    def __init__(self, *, beat_ms: int = 2) -> None:
        self._beat_ms = beat_ms

    @classmethod
    def from_args(cls, argv: Sequence[str]) -> Metronome:
        """Makes it from what follows ``--`` on the command line."""
        parser = argparse.ArgumentParser(
            prog="dynamo-backend serve metronome --", description=__doc__
        )
        parser.add_argument(
            "--beat-ms",
            type=int,
            default=2,
            metavar="N",
            help="milliseconds before each token (default: %(default)s)",
        )
        return cls(beat_ms=parser.parse_args(argv).beat_ms)

    def __dynamo_engine__(self, version: int) -> object:
        """Hands over a new engine, in a capsule; called by a worker."""
        return make_engine(self._beat_ms)
