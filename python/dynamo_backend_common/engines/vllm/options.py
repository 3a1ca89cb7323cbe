"""The command line of the engine: a few options of its own, and all of vLLM's engine arguments."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument
from .installation import import_vllm
from .paths import TOKEN_PATHS

if TYPE_CHECKING:
    from collections.abc import Sequence

_USAGE = "dynamo-backend serve vllm [worker's options] -- --model NAME [vLLM's engine arguments]"
_EPILOG = """The worker's own:
  --token-path {auto,socket,steps,generate}
                          how tokens come from vLLM's engine core (default: auto)

All the others are vLLM's: --help=all shows them, --help=GROUP or --help=WORD some."""


def parse_arguments(argv: Sequence[str]) -> dict[str, Any]:
    """Reads the keyword arguments of `Vllm` from command-line arguments.

    Raises:
        ImportError: vLLM is not installed.
        InvalidArgument: An argument is not accepted; vLLM says why.
        SystemExit: With status 2 after a message for a wrong argument, with 0 after ``--help``.
    """
    import_vllm()
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = FlexibleArgumentParser(
        prog="vllm", usage=_USAGE, epilog=_EPILOG, allow_abbrev=False, add_json_tip=False
    )
    ours = parser.add_argument_group("Worker", description="How the worker serves vLLM.")
    ours.add_argument(
        "--token-path",
        choices=TOKEN_PATHS,
        default=TOKEN_PATHS[0],
        help="how tokens come from vLLM's engine core: by its socket, without Python; by its steps,"
        " one call for all requests; or by the public generate, a call for each chunk; auto: the"
        " first that vLLM's release allows",
    )
    parser = AsyncEngineArgs.add_cli_args(parser)
    # Whether there is one is told from which: vLLM has a model by default.
    parser.set_defaults(model=None)
    try:
        given = vars(parser.parse_args(list(argv)))
    except ValueError as error:
        raise InvalidArgument(str(error)) from None
    known = {field.name for field in dataclasses.fields(AsyncEngineArgs)} | {"token_path"}
    arguments = {name: value for name, value in given.items() if name in known}
    if arguments["model"] is None:
        del arguments["model"]
    return arguments
