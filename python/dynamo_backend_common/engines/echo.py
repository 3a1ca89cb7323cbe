"""``echo``: an engine in Rust that answers with the tokens of the prompt.

It needs no model, so that a worker, a frontend and what lies between can be tried without one. A
request to it never enters Python. What it does not have, as several outputs, a grammar or images,
it refuses with `InvalidArgument`; how tokens are to be chosen it takes, as there is one candidate.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from .._core import echo_engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core import RustEngine


def Echo(*, model: str = "echo", delay: float = 0.0) -> RustEngine:  # noqa: N802 (as engine classes)
    """Makes the engine.

    Args:
        model: Canonical id of the model.
        delay: Seconds before each token.

    Raises:
        InvalidArgument: ``delay`` is negative or not finite.
    """
    return echo_engine(model=model, delay=delay)


def from_args(argv: Sequence[str]) -> RustEngine:
    """Makes the engine from what follows ``--`` on the command line."""
    parser = argparse.ArgumentParser(
        prog="dynamo-backend serve echo --", description="Answers with the tokens of the prompt."
    )
    parser.add_argument(
        "--model", default="echo", help="canonical id of the model (default: %(default)s)"
    )
    parser.add_argument(
        "--delay",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="pause before each token (default: %(default)s)",
    )
    options = parser.parse_args(argv)
    return Echo(model=options.model, delay=options.delay)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds, 0 or more")
    return seconds
