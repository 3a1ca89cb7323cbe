"""A panic of an engine from elsewhere ends what it is in, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.api import failed, text_of
from support.native import NATIVE, build_library, copy_crate
from support.processes import until
from support.system import System

if TYPE_CHECKING:
    from pathlib import Path

    from support.launcher import Launcher, Server

PROMPT = " one two three"

# The first one compiles the engine.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    crate = copy_crate(NATIVE / "panicking", tmp_path_factory.mktemp("elsewhere"))
    return build_library(crate, "panicking")


def serve(
    launcher: Launcher, library: Path, model_folder: str, place: str
) -> tuple[Server, System]:
    system = System(launcher.ports.reserve())
    server = launcher.serve(
        "foreign:OfLibrary",
        *["--model-name", model_folder, "--", str(library), place],
        env={"DYN_SYSTEM_PORT": str(system.port)},
    )
    return server, system


@pytest.mark.parametrize("place", ["start", "setup_metrics", "supported_controls"])
def test_a_panic_before_it_serves_is_the_runs_error(
    launcher: Launcher, library: Path, place: str
) -> None:
    engine = ("foreign:OfLibrary", "--discovery-backend", "mem")
    process = launcher.command("serve", *engine, "--", str(library), place)
    assert process.wait() == 1
    assert f"on purpose, in {place}" in process.stderr
    [line] = [line for line in process.stderr.splitlines() if "dynamo-backend: error:" in line]
    assert f"on purpose, in {place}" in line


@pytest.mark.parametrize("place", ["generate", "stream"])
def test_a_panic_of_a_request_takes_no_other_with_it(
    launcher: Launcher, library: Path, model_folder: str, place: str
) -> None:
    server, _ = serve(launcher, library, model_folder, place)
    with server.api.stream_completion(PROMPT) as stream:
        assert stream.status >= 400 or failed(list(stream.events()))
    answer = server.api.complete(PROMPT)
    assert text_of(answer.json).split() == PROMPT.split()
    assert server.process.terminate() == 0
    assert f"Panicking.generate panicked: on purpose, in {place}" in server.process.output


@pytest.mark.parametrize(
    "place",
    [
        *("configure", "abort", "drain", "cleanup", "metrics_text", "health_check_payload"),
        *("engine_control", "drop"),
    ],
)
def test_a_panic_elsewhere_is_told_and_the_worker_goes_on(
    launcher: Launcher, library: Path, model_folder: str, place: str
) -> None:
    server, system = serve(launcher, library, model_folder, place)
    text = system.get("/metrics").text
    assert "dynamo_component" in text
    reply = system.control("poke", {})
    assert reply.status == (500 if place == "engine_control" else 200), reply.text
    with server.api.stream_completion(PROMPT) as stream:
        stream.first_text()
        stream.leave()
    until(lambda: system.status()["in_flight"] == 0, "the request is gone")
    assert text_of(server.api.complete(PROMPT).json).split() == PROMPT.split()
    assert server.process.terminate() == 0
    # Of one that ends, there is nobody left to tell it.
    told = "" if place == "drop" else f"Panicking.{place} panicked: "
    assert f"{told}on purpose, in {place}" in server.process.output
