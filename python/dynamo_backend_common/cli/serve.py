"""The subcommand ``serve``: a worker around the engine that was named."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from .._core import check_environment
from ..exceptions import DynamoError, InvalidArgument
from ..state import WorkerState
from ..worker import Worker
from .announce import announce_endpoint, announce_http
from .engines import list_engines
from .explain import explain
from .failure import PROGRAM, Failure, UsageError, say, show_traceback
from .log import set_log
from .options import add_options, as_configured, configuration, name_place, read_settings
from .output import write
from .ports import check_port
from .progress import ProgressLine
from .reference import add_reference_options, reference_engine, serve_reference, settle
from .resolve import known_engines, make_engine

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from .._serving.own_loop import LoopFactory
    from .options import Setting

_REQUESTS_CUT = 3

# For a person in front of a terminal; a log collector gets Dynamo's own default.
_CALM_LOG = "warn"


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "serve",
        allow_abbrev=False,
        help="serve an engine",
        usage=f"{PROGRAM} serve ENGINE [options] [-- engine's own options]",
        description="Serves an engine as a worker of NVIDIA Dynamo, until Ctrl-C or SIGTERM.",
        epilog="An engine's own options follow '--'. To see them:"
        f" {PROGRAM} serve ENGINE -- --help",
    )
    parser.add_argument(
        "engine",
        nargs="?",
        metavar="ENGINE",
        help="module:attribute of a class, factory or engine of your own, or one of these: "
        + ", ".join(known_engines()),
    )
    parser.add_argument(
        "--check",
        dest="is_worker",
        action="store_false",
        help="write the whole configuration and where each value came from, make the engine, and"
        " end without starting it: status 0, or 2 with the error",
    )
    add_reference_options(parser)
    add_options(parser)
    parser.set_defaults(command=serve)


def serve(options: argparse.Namespace, engine_argv: Sequence[str]) -> int:
    """Serves until the worker ends; returns the exit status."""
    if options.engine is None and options.program is None:
        print(list_engines(), file=sys.stderr)
        raise UsageError(
            "which ENGINE? One of these, or module:attribute of your own; an engine's own options:"
            f" {PROGRAM} serve ENGINE -- --help"
        )
    if not options.is_worker:
        return _check(options, engine_argv)
    settings = _settings(options)
    loop_factory = _prepare(settings)
    with ProgressLine(sys.stderr) as line:
        worker_of = partial(_worker, settings=settings, line=line)
        try:
            if options.reference:
                reports = serve_reference(options, engine_argv, worker_of, loop_factory)
            else:
                worker = worker_of(make_engine(options.engine, engine_argv))
                reports = [worker._run_to_exit(loop_factory)]  # noqa: SLF001
        except DynamoError as error:
            if error.__cause__ is not None:
                show_traceback(error.__cause__)
            raise Failure(str(error)) from error
    return _status(sum(report.cut for report in reports))


def _check(options: argparse.Namespace, engine_argv: Sequence[str]) -> int:
    try:
        settings = _settings(options)
        _prepare(settings)
        if options.reference:
            engine = reference_engine(options.engine, engine_argv)
        else:
            engine = make_engine(options.engine, engine_argv)
        worker = _worker(engine, settings, ProgressLine(sys.stderr))
    except Failure as failure:
        raise UsageError(str(failure)) from failure
    write(explain(as_configured(settings, worker.config)))
    return 0


def _settings(options: argparse.Namespace) -> dict[str, Setting]:
    settings = settle(options, read_settings(options))
    level = settings["log_level"]
    if level.kind == "default" and settings["http_port"].value is not None and sys.stderr.isatty():
        settings["log_level"] = replace(level, value=_CALM_LOG)
    return settings


def _prepare(settings: Mapping[str, Setting]) -> LoopFactory | None:
    """Checks what can be checked before the engine is imported, and sets the log up."""
    try:
        check_environment()
    except InvalidArgument as error:
        raise UsageError(str(error)) from error
    set_log(settings["log_level"], settings["log_format"])
    port = settings["http_port"].value
    if port is not None:
        check_port(settings["http_host"], port)
    return _loop_factory(settings["loop"])


def _loop_factory(loop: Setting) -> LoopFactory | None:
    if loop.value == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        raise Failure(
            f"{loop.place}: the package uvloop is not installed;"
            " to have it: pip install 'dynamo-backend-common[uvloop]'"
        ) from None
    factory: LoopFactory = uvloop.new_event_loop
    return factory


def _worker(engine: Any, settings: Mapping[str, Setting], line: ProgressLine) -> Worker:
    def on_state(state: WorkerState) -> None:
        line.state(state)
        if state is not WorkerState.Serving:
            return
        # Of what takes tokens a frontend lists no model without a tokenizer.
        takes_tokens = worker.config.model_input.strip().lower() == "tokens"
        is_listed = worker.config.model_name or not takes_tokens
        if worker.http_url is None or not is_listed:
            announce_endpoint(worker.config)
        else:
            model = worker.served_model_name or ""
            announce_http(worker.http_url, model, worker.config.endpoint_types)

    try:
        worker = Worker(
            engine,
            configuration(settings),
            http_port=settings["http_port"].value,
            http_host=settings["http_host"].value,
            on_state=on_state,
            on_progress=line.report,
        )
    except InvalidArgument as error:
        raise UsageError(name_place(str(error), settings)) from error
    return worker


def _status(cut: int) -> int:
    if cut == 0:
        return 0
    requests = "1 request was" if cut == 1 else f"{cut} requests were"
    say(f"{requests} cut at the end of the shutdown's time")
    return _REQUESTS_CUT
