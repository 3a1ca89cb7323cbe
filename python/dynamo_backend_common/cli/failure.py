"""How the command line ends when it cannot go on: one line on stderr and an exit status."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

PROGRAM = "dynamo-backend"
"""Name of the command, and what its messages begin with."""

_PACKAGE = str(Path(__file__).parent.parent)


class Failure(Exception):
    """The command fails with this message."""

    status = 1
    """Exit status of the process."""


class UsageError(Failure):
    """What the user typed is not possible; the message says what is."""

    status = 2


def say_error(message: str) -> None:
    """Writes ``message`` as the one line of an error."""
    say(f"error: {' '.join(message.split())}")


def say(message: str) -> None:
    """Writes a line of the command's own to standard error."""
    # One write: the log's lines come from other threads, and would end up in the middle of ours.
    sys.stderr.write(f"{PROGRAM}: {message}\n")
    sys.stderr.flush()


def show_traceback(error: BaseException) -> None:
    """Writes the user's part of the traceback: what our own code did to get there is no help."""
    traceback.print_exception(type(error), error, _without_ours(error.__traceback__))


def _without_ours(tb: TracebackType | None) -> TracebackType | None:
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(
        (_PACKAGE, "<frozen importlib", "<frozen runpy>", _importlib())
    ):
        tb = tb.tb_next
    return tb


def _importlib() -> str:
    import importlib

    return str(Path(importlib.__file__).parent)
