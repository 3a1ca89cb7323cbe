"""The subcommand ``completion``: what a shell needs to complete this command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .failure import PROGRAM, Failure
from .output import write

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "completion",
        allow_abbrev=False,
        help="write the script by which a shell completes this command",
        usage=f"{PROGRAM} completion {{bash,zsh}}",
        description="Writes a script for bash or zsh to stdout. In bash:"
        f' eval "$({PROGRAM} completion bash)". Needs the extra completion.',
    )
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell")
    parser.set_defaults(command=completion, is_worker=False)


def completion(options: argparse.Namespace, _engine_argv: Sequence[str]) -> int:
    """Writes the script to stdout; returns the exit status."""
    try:
        import shtab
    except ImportError:
        raise Failure(
            "completion: the package shtab is not installed;"
            " to have it: pip install 'dynamo-backend-common[completion]'"
        ) from None
    write(shtab.complete(options.root, options.shell))
    return 0
