"""The subcommand ``check``: checks an engine against the contract, without a worker."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidArgument
from ..testing.checking import REQUESTS, TIMEOUT, run_checks
from .failure import PROGRAM, UsageError
from .output import write
from .resolve import EngineMaker, known_engines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..testing import Result

_FAILED = 1


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "check",
        allow_abbrev=False,
        help="check an engine, without a worker",
        usage=f"{PROGRAM} check ENGINE [options] [-- engine's own options]",
        description="Starts an engine, sends it requests, stops them at every point and cleans it"
        " up, as a worker would, and says which rules for engines it breaks. Exit status 1: a check"
        " failed.",
    )
    parser.add_argument(
        "engine",
        metavar="ENGINE",
        help="module:attribute of a class, factory or engine of your own, or one of these: "
        + ", ".join(known_engines()),
    )
    parser.add_argument(
        "--requests",
        type=count,
        default=REQUESTS,
        metavar="N",
        help="how many requests the search for leaks makes (default: %(default)s)",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help="time limit for each request, each hook, and any other wait (default: %(default)g)",
    )
    parser.set_defaults(command=check, is_worker=False)


def check(options: argparse.Namespace, engine_argv: Sequence[str]) -> int:
    """Prints what each check found; returns the exit status."""
    make = EngineMaker(options.engine, engine_argv)
    try:
        name, results = run_checks(
            make, requests=options.requests, timeout=options.timeout, tell=_tell
        )
    except InvalidArgument as error:
        raise UsageError(str(error)) from error
    counts = [
        f"{sum(result.outcome == outcome for result in results)} {outcome}"
        for outcome in ("passed", "failed", "skipped")
    ]
    write(f"{name}: {', '.join(counts)}")
    return _FAILED if any(result.outcome == "failed" for result in results) else 0


def _tell(result: Result) -> None:
    write(str(result))


def count(text: str) -> int:
    """A number of requests from what was typed."""
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"'{text}' is no number of requests, 1 or more")
    return int(text)


def seconds(text: str) -> float:
    """A length of time from what was typed."""
    try:
        length = float(text)
    except ValueError:
        length = math.nan
    if not (math.isfinite(length) and length > 0):
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds above 0")
    return length
