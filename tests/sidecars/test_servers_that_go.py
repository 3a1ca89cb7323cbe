"""A server that is not there yet, goes while streams run, and comes back."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

from support.api import failed, text_of
from support.processes import until
from support.sidecar import FOUND, serve, start_server
from support.streams import PROMPT, begin
from support.system import System

if TYPE_CHECKING:
    from support.launcher import Launcher
    from support.sidecar import Kind

SLOW = 0.3
MEM = ["--discovery-backend", "mem"]


def test_the_error_of_a_server_that_never_comes_names_it(
    launcher: Launcher, model_folder: str, kind: Kind
) -> None:
    port = launcher.ports.reserve()
    deadline = ["--grpc-startup-deadline-secs", "2", "--grpc-retry-interval-secs", "1"]
    arguments = kind.arguments(model_folder, port, *deadline)
    worker = launcher.command("serve", kind.engine(), *MEM, *arguments, env=FOUND)
    assert worker.wait() == 1
    assert f"127.0.0.1:{port}" in worker.stderr
    assert "Traceback" not in worker.stderr, worker.describe()
    # It says meanwhile what it waits for.
    worker.wait_for_line("retrying")


def test_a_server_that_comes_later_is_waited_for(
    launcher: Launcher, model_folder: str, kind: Kind
) -> None:
    port, http = launcher.ports.reserve(), launcher.ports.reserve()
    worker = launcher.command(
        "serve",
        kind.engine(),
        *("--served-model-name", "served", "--http-port", str(http)),
        *kind.arguments(model_folder, port),
        env=FOUND,
    )
    worker.wait_for_line("retrying")
    start_server(launcher, kind, port, model_folder)
    worker.wait_for_line("^Serving served on ")


def test_a_signal_ends_the_wait(launcher: Launcher, model_folder: str, kind: Kind) -> None:
    for which in (signal.SIGTERM, signal.SIGINT):
        arguments = kind.arguments(model_folder, launcher.ports.reserve())
        worker = launcher.command("serve", kind.engine(), *MEM, *arguments, env=FOUND)
        worker.wait_for_line("retrying")
        worker.send(which)
        assert worker.wait() == 0, worker.describe()


def test_streams_end_with_an_error_when_the_server_goes_and_the_worker_stays(
    launcher: Launcher, model_folder: str, kind: Kind
) -> None:
    system = System(launcher.ports.reserve())
    server, worker = serve(
        launcher, kind, model_folder, delay=SLOW, env={"DYN_SYSTEM_PORT": str(system.port)}
    )
    grpc = int(server.command[server.command.index("--port") + 1])
    with ExitStack() as stack:
        stream, _ = begin(stack, worker.api)
        server.kill()
        assert failed(list(stream.events()))
    refused = worker.api.complete(PROMPT)
    assert refused.status >= 500, refused.text
    assert worker.process.alive
    assert system.is_ready()
    start_server(launcher, kind, grpc, model_folder)

    def answers() -> bool:
        answer = worker.api.complete(PROMPT)
        return answer.status == 200 and text_of(answer.json).strip() == PROMPT

    until(answers, "the worker answers again")


def test_the_canary_tells_that_the_server_is_gone(
    launcher: Launcher, model_folder: str, kind: Kind
) -> None:
    system = System(launcher.ports.reserve())
    payload = '{"token_ids": [1], "stop_conditions": {"max_tokens": 1}}'
    server, _ = serve(
        launcher,
        kind,
        model_folder,
        env={
            "DYN_SYSTEM_PORT": str(system.port),
            "DYN_HEALTH_CHECK_ENABLED": "true",
            "DYN_CANARY_WAIT_TIME": "1",
            "DYN_HEALTH_CHECK_PAYLOAD": payload,
        },
    )
    until(system.is_ready, "the worker is ready")
    server.wait_for_line("^request ")
    server.kill()
    until(lambda: not system.is_ready(), "the worker is not ready")
    assert system.is_live()
