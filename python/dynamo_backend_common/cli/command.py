"""The parser and the exit statuses.

0: ended well; 1: failed; 2: wrong usage; 3: shut down as asked, but requests were cut;
130: forced by a second Ctrl-C, or the engine's own code raised KeyboardInterrupt.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

from .._core import OwnProcess
from .._signals import ctrl_c_is_ours
from ..exceptions import DynamoError
from . import completion, doctor, engines, serve
from .failure import PROGRAM, Failure, UsageError, say_error
from .versions import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    serve,
    engines,
    doctor,
    completion,
)
"""The modules of the subcommands, in the order in which help shows them."""

_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    SIGTERM and Ctrl-C are a worker's own from the beginning: until it runs, before anything of the
    engine's has been started, they end the process at once, with status 0.

    Args:
        argv: Arguments without the program's name; None: those of the process.

    Returns:
        The exit status.
    """
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except Failure as failure:
        say_error(str(failure))
        return failure.status
    except DynamoError as error:
        say_error(str(error))
        return Failure.status
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(argv: list[str]) -> int:
    own, engine_argv = _split(argv)
    parser = _Parser(
        prog=PROGRAM,
        description="Serves an engine as a worker of NVIDIA Dynamo.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {versions()}")
    parser.set_defaults(root=parser, is_worker=True)
    commands = parser.add_subparsers(metavar="COMMAND", dest="name", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    options, unknown = parser.parse_known_args(own)
    chosen = commands.choices[options.name]
    takes_engine = "engine" in options
    if engine_argv and not takes_engine:
        unknown = ["--", *unknown]
    if unknown:
        raise UsageError(_unknown(unknown[0], chosen, takes_engine))
    with ExitStack() as stack:
        if options.is_worker:
            stack.enter_context(OwnProcess())
            stack.enter_context(ctrl_c_is_ours())
        status: int = options.command(options, engine_argv)
    return status


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in argv:
        return argv, []
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def _unknown(argument: str, chosen: argparse.ArgumentParser, takes_engine: bool) -> str:
    if not argument.startswith("-") or argument == "--":
        return f"unexpected argument '{argument}'; {chosen.format_usage()}"
    name = argument.partition("=")[0]
    known = [option for option in chosen._option_string_actions if option.startswith("--")]  # noqa: SLF001
    close = get_close_matches(name, known, n=1, cutoff=0.8)
    hint = f"; did you mean {close[0]}?" if close else ""
    if takes_engine:
        own = "an engine's own options go after '--'"
        hint = f"{hint} {own[0].upper()}{own[1:]}" if hint else f"; {own}"
    return f"unknown option '{name}'{hint}"
