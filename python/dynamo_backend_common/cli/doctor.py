"""The subcommand ``doctor``: whether the configuration can work on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core import BUILD_PROFILE, WorkerCore, check_environment
from ..exceptions import InvalidArgument
from . import reach, surroundings
from .failure import PROGRAM
from .finding import Finding
from .options import add_options, configuration, name_place, read_settings
from .output import write
from .versions import versions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from .options import Setting


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "doctor",
        allow_abbrev=False,
        help="check whether the configuration can work on this machine",
        usage=f"{PROGRAM} doctor [options of serve]",
        description="Checks versions, discovery, planes, addresses, ports, folders and the GPU,"
        " with the configuration that serve would have. Nothing is served. Status 0, or 1 if"
        " something that the configuration needs is wrong.",
    )
    add_options(parser)
    parser.set_defaults(command=doctor, is_worker=False)


def doctor(options: argparse.Namespace, _engine_argv: Sequence[str]) -> int:
    """Writes a line for each finding to stdout; returns the exit status."""
    status = 0
    for finding in _findings(read_settings(options)):
        words = " ".join(finding.words.split())
        write(f"{finding.mark:<6} {finding.subject:<16} {words}")
        if finding.mark == "wrong":
            status = 1
    return status


def _findings(settings: Mapping[str, Setting]) -> Iterator[Finding]:
    yield Finding("ok", "versions", f"{PROGRAM} {versions()}")
    if BUILD_PROFILE == "release":
        yield Finding("ok", "build", BUILD_PROFILE)
    else:
        yield Finding("note", "build", f"{BUILD_PROFILE}: slow, and its shutdown has 5 s, not 30")
    try:
        check_environment()
    except InvalidArgument as error:
        yield Finding("wrong", "environment", str(error))
    try:
        WorkerCore(None, PROGRAM, configuration(settings), http=None)
    except InvalidArgument as error:
        yield Finding("wrong", "configuration", name_place(str(error), settings))
    chosen = {name: setting.value for name, setting in settings.items()}
    has_frontend = chosen["http_port"] is not None
    discovery = chosen["discovery_backend"] or ("mem" if has_frontend else "etcd")
    yield from _discovery(discovery, has_frontend)
    if reach.is_nats_needed(chosen["request_plane"], chosen["event_plane"]):
        yield reach.nats()
    yield reach.others(discovery)
    yield from reach.ports(settings)
    yield surroundings.home()
    yield surroundings.temporary()
    yield from surroundings.gpus()


def _discovery(backend: str, has_frontend: bool) -> Iterator[Finding]:
    match backend:
        case "etcd":
            yield reach.etcd()
        case "kubernetes":
            yield from surroundings.pod()
        case "file":
            yield surroundings.file_discovery()
        case _ if has_frontend:
            yield Finding("ok", "discovery", "mem: the frontend in the process")
        case _:
            words = "mem without --http-port: no frontend finds the worker"
            yield Finding("wrong", "discovery", words)
