"""Arguments of a sidecar: its own parser's, and what of the worker's they fill in."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.sidecar import FOUND, KINDS, Kind, start_server

if TYPE_CHECKING:
    from support.launcher import Launcher

ALL = [*KINDS, Kind("vllm")]


@pytest.fixture(params=ALL, ids=lambda kind: kind.name)
def any_kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--grpc-endpoint <GRPC_ENDPOINT>"),
        (["--grpc-endpoint", "https://host:1"], "TLS endpoints are not supported"),
        (["--grpc-endpoint", "host:1", "--grpc-conections", "2"], "--grpc-connections"),
    ],
    ids=["missing", "wrong", "misspelt"],
)
def test_what_its_parser_says_is_shown(
    launcher: Launcher, any_kind: Kind, arguments: list[str], said: str
) -> None:
    worker = launcher.command("serve", any_kind.engine(), "--", *arguments, env=FOUND)
    assert worker.wait() == 2
    assert said in worker.stderr
    assert "Traceback" not in worker.stderr


def test_help_is_the_sidecars(launcher: Launcher, any_kind: Kind) -> None:
    worker = launcher.command("serve", any_kind.engine(), "--", "--help", env=FOUND)
    assert worker.wait() == 0
    assert "--grpc-startup-deadline-secs" in worker.stdout
    assert f"Usage: dynamo-backend serve {any_kind.engine()} --" in worker.stdout


def test_what_a_worker_does_not_have_is_refused(launcher: Launcher, model_folder: str) -> None:
    kind = Kind("trtllm")
    port = launcher.ports.reserve()
    start_server(launcher, kind, port, model_folder)
    arguments = kind.arguments(model_folder, port, "--enable-rl")
    worker = launcher.command("serve", kind.engine(), *arguments, env=FOUND)
    assert worker.wait() == 2
    assert "the sidecar asks for enable_rl" in worker.stderr
    assert "leave --enable-rl out" in worker.stderr


def test_they_are_engines_by_name(launcher: Launcher, any_kind: Kind) -> None:
    listed = launcher.command("engines", env=FOUND)
    assert listed.wait() == 0
    assert f"{any_kind.name}-sidecar" in listed.stdout


CHECK = """
import json, sys
from dataclasses import asdict
import dynamo_sidecars
from dynamo_backend_common import Worker, WorkerConfig
settings = json.loads(sys.argv[1])
worker = Worker(getattr(dynamo_sidecars, sys.argv[2])(sys.argv[3:]), WorkerConfig(**settings))
print(json.dumps(asdict(worker.config)))
"""


def configured(kind: Kind, settings: dict[str, object], arguments: list[str]) -> dict[str, object]:
    """The configuration of a worker in a program, which does not start."""
    command = [sys.executable, "-c", CHECK, json.dumps(settings), kind.name, *arguments]
    ended = subprocess.run(command, env=FOUND, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    told: dict[str, object] = json.loads(ended.stdout)
    return told


def test_its_arguments_and_its_server_fill_in_what_the_operator_left_open(
    launcher: Launcher, model_folder: str
) -> None:
    kind = Kind("sglang")
    port = launcher.ports.reserve()
    start_server(launcher, kind, port, model_folder)
    own = ["--namespace", "theirs", "--endpoint-types", "chat", "--event-plane", "nats"]
    own += ["--response-plane", "quic"]
    arguments = [*kind.arguments(model_folder, port, *own)[1:]]
    config = configured(kind, {"component": "mine", "endpoint": "mine"}, arguments)
    assert (config["namespace"], config["endpoint_types"]) == ("theirs", "chat")
    assert (config["component"], config["endpoint"]) == ("mine", "mine")
    assert (config["model_name"], config["served_model_name"]) == (model_folder, "sglang")
    assert isinstance(config["runtime"], dict)
    assert config["runtime"]["event_plane"] == "nats"
    assert config["runtime"]["response_plane"] == "quic"
    config = configured(kind, {"namespace": "mine", "served_model_name": "own"}, arguments)
    assert (config["namespace"], config["served_model_name"]) == ("mine", "own")


def test_a_sidecar_goes_into_one_worker(launcher: Launcher, model_folder: str) -> None:
    program = (
        "import sys, dynamo_sidecars\n"
        "from dynamo_backend_common import InvalidArgument, Worker\n"
        "sidecar = dynamo_sidecars.trtllm(sys.argv[1:])\n"
        "Worker(sidecar)\n"
        "try:\n    Worker(sidecar)\nexcept InvalidArgument as error:\n    print(error)\n"
    )
    kind, port = Kind("trtllm"), launcher.ports.reserve()
    start_server(launcher, kind, port, model_folder)
    arguments = kind.arguments(model_folder, port, "--context-length", "512")[1:]
    command = [sys.executable, "-c", program, *arguments]
    ended = subprocess.run(command, env=FOUND, capture_output=True, text=True, check=False)
    assert "make another one" in ended.stdout, ended.stderr
