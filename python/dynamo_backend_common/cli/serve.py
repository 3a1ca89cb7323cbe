"""The subcommand ``serve``: a worker around the engine that was named."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

from .._core import check_environment
from ..exceptions import DynamoError, InvalidArgument
from ..worker import Worker
from .announce import announce_endpoint, announce_http
from .failure import PROGRAM, Failure, UsageError, say, show_traceback
from .options import add_options, name_option, read_config
from .progress import ProgressLine
from .resolve import known_engines, make_engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._serving.own_loop import LoopFactory
    from ..config import WorkerConfig
    from ..worker import Report

_REQUESTS_CUT = 3

# For a person in front of a terminal; a log collector gets Dynamo's own default.
_CALM_LOG = "warn"


def add_parser(commands: Any) -> Sequence[str]:
    """Adds the subcommand; returns the options that it knows."""
    parser = commands.add_parser(
        "serve",
        allow_abbrev=False,
        help="serve an engine",
        usage=f"{PROGRAM} serve ENGINE [options] [-- engine's own options]",
        description="Serves an engine as a worker of NVIDIA Dynamo, until Ctrl-C or SIGTERM.",
    )
    parser.add_argument(
        "engine",
        metavar="ENGINE",
        help="module:attribute of a class, factory or engine of your own, or one of these: "
        + ", ".join(known_engines()),
    )
    http = parser.add_argument_group("OpenAI frontend in the same process")
    http.add_argument(
        "--http-port",
        type=_port,
        metavar="N",
        help="serve the OpenAI API on this port; discovery is then mem unless chosen"
        " (default: no frontend)",
    )
    http.add_argument(
        "--http-host",
        default="127.0.0.1",
        metavar="HOST",
        help="address of the OpenAI API (default: %(default)s)",
    )
    parser.add_argument(
        "--loop",
        choices=("asyncio", "uvloop"),
        default="asyncio",
        help="event loop of a Python engine; uvloop needs the package of that name"
        " (default: %(default)s)",
    )
    add_options(parser)
    parser.set_defaults(command=serve)
    return [name for name in parser._option_string_actions if name.startswith("--")]  # noqa: SLF001


def serve(options: argparse.Namespace, engine_argv: Sequence[str]) -> int:
    """Serves until the worker ends; returns the exit status."""
    config = read_config(options)
    try:
        check_environment()
    except InvalidArgument as error:
        raise UsageError(str(error)) from error
    loop_factory = _loop_factory(options.loop)
    if options.http_port is not None:
        check_port(options.http_host, options.http_port)
        if sys.stderr.isatty():
            os.environ.setdefault("DYN_LOG", _CALM_LOG)
    engine = make_engine(options.engine, engine_argv)
    with ProgressLine(sys.stderr) as line:
        worker = _worker(engine, config, options, line)
        try:
            report = worker._run_to_exit(loop_factory)  # noqa: SLF001
        except DynamoError as error:
            if error.__cause__ is not None:
                show_traceback(error.__cause__)
            raise Failure(str(error)) from error
    return _status(report)


def check_port(host: str, port: int) -> None:
    """Tells before anything is loaded that the frontend could not listen.

    Raises:
        UsageError: ``host`` is no address.
        Failure: The port is in use, or not to be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise UsageError(f"--http-host: '{host}' is no address of this machine") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            raise Failure(
                f"cannot listen on {host}:{port}: {error.strerror};"
                " choose another with --http-port or --http-host"
            ) from None


def _loop_factory(loop: str) -> LoopFactory | None:
    if loop == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        raise Failure(
            "--loop uvloop: the package is not installed;"
            " to have it: pip install 'dynamo-backend-common[uvloop]'"
        ) from None
    factory: LoopFactory = uvloop.new_event_loop
    return factory


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"'{text}' is no port; accepted: 1 to 65535")
    return int(text)


def _worker(
    engine: Any, config: WorkerConfig, options: argparse.Namespace, line: ProgressLine
) -> Worker:
    def on_state(state: str) -> None:
        line.state(state)
        if state != "Serving":
            return
        # A frontend lists no model without a tokenizer.
        if options.http_port is None or not worker.config.model_name:
            announce_endpoint(worker.config)
        else:
            model = worker.served_model_name or ""
            types = worker.config.endpoint_types
            announce_http(options.http_host, options.http_port, model, types)

    try:
        worker = Worker(
            engine,
            config,
            http_port=options.http_port,
            http_host=options.http_host,
            on_state=on_state,
            on_progress=line.report,
        )
    except InvalidArgument as error:
        raise UsageError(name_option(str(error))) from error
    return worker


def _status(report: Report) -> int:
    if report.cut == 0:
        return 0
    requests = "1 request was" if report.cut == 1 else f"{report.cut} requests were"
    say(f"{requests} cut at the end of the shutdown's time")
    return _REQUESTS_CUT
