"""Engines that were compiled elsewhere: the examples in C, C++ and as a wheel in Rust."""

from __future__ import annotations

import os
import re
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from support.api import Api, finish_reasons, read_text, text_of
from support.launcher import ENGINES
from support.metrics import lint, sample
from support.native import RUST_ENGINE, compile_c_engine, copy_crate, install_wheel
from support.processes import until
from support.streams import PROMPT as FOUR_WORDS
from support.streams import begin
from support.system import System

if TYPE_CHECKING:
    from pathlib import Path

    from support.launcher import Launcher, Server

PROMPT = "one two three four"
CLIENTS = 16
CXX = ("c++", "-x", "c++", "-std=c++11")


@dataclass(frozen=True)
class Built:
    """Where it is installed, how it is served, and what it is known by."""

    folder: Path
    engine: str
    model: str
    says: str
    """In the log, once it has started."""
    counter: str
    """Of tokens, in its metrics."""


@pytest.fixture(scope="module", params=["c", "c++", "rust"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("elsewhere")
    if request.param == "rust":
        installed = folder / "installed"
        install_wheel(copy_crate(RUST_ENGINE, folder), installed, "--locked")
        says = "a beat of 2ms for worker"
        counter = "metronome_tokens_total"
        return Built(installed, "metronome_engine:Metronome", "metronome", says, counter)
    compiler = CXX if request.param == "c++" else ("cc", "-std=c11")
    compile_c_engine(folder, compiler=compiler)
    return Built(folder, "c_engine:Cycle", "cycle", "an engine in C has started", "cycle_tokens")


@dataclass(frozen=True)
class Served:
    server: Server
    system: System

    @property
    def api(self) -> Api:
        return self.server.api

    def in_flight(self) -> int:
        return int(self.system.status()["in_flight"])


def serve(launcher: Launcher, built: Built, model_folder: str) -> Served:
    system = System(launcher.ports.reserve())
    server = launcher.serve(
        built.engine,
        *["--model-name", model_folder],
        cwd=built.folder,
        env={"DYN_SYSTEM_PORT": str(system.port)},
    )
    return Served(server, system)


@pytest.fixture(scope="module")
def served(shared: Launcher, built: Built, model_folder: str) -> Served:
    return serve(shared, built, model_folder)


def test_it_keeps_the_contract(launcher: Launcher, built: Built) -> None:
    checked = launcher.command("check", built.engine, cwd=built.folder)
    assert checked.wait() == 0, checked.output
    assert "failed" not in checked.stdout.replace("0 failed", "")
    for check in ("cleanup_after_failed_start", "cancellation_at_every_point", "probe", "no_leaks"):
        assert f"passed  {check}" in checked.stdout


def test_it_answers_over_http(served: Served, built: Built) -> None:
    assert served.server.model == built.model
    answer = served.api.complete(PROMPT, max_tokens=4)
    assert answer.status == 200, answer.text
    assert text_of(answer.json).split() == PROMPT.split()
    usage = answer.json["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (4, 4)
    served.server.process.wait_for_line(re.escape(built.says))


def test_it_streams(served: Served) -> None:
    with served.api.stream_completion(PROMPT, max_tokens=8) as stream:
        text, chunks = read_text(stream)
    assert text.split() == PROMPT.split() * 2
    assert finish_reasons(chunks) == ["length"]


def test_a_bad_request_is_refused_with_the_engines_own_words(served: Served) -> None:
    answer = served.api.complete(PROMPT, n=2)
    assert answer.status == 400, answer.text
    assert "it has one output" in answer.text
    assert served.api.complete(PROMPT, max_tokens=4).status == 200


def test_a_client_that_leaves_ends_its_stream(served: Served) -> None:
    with served.api.stream_completion(PROMPT, max_tokens=8000) as stream:
        stream.first_text()
        assert served.in_flight() == 1
        stream.leave()
    until(lambda: served.in_flight() == 0, "the request is gone")
    assert served.api.complete(PROMPT, max_tokens=4).status == 200


def test_its_metrics_are_the_workers(served: Served, built: Built) -> None:
    def tokens() -> float:
        text = served.system.get("/metrics").text
        assert lint(text) == ""
        return sample(text, built.counter)

    before = tokens()
    served.api.complete(PROMPT, max_tokens=8)
    assert tokens() >= before + 8


def test_sigterm_under_load_cuts_no_stream(
    launcher: Launcher, built: Built, model_folder: str
) -> None:
    served = serve(launcher, built, model_folder)
    with ExitStack() as stack:
        streams = [begin(stack, served.api, max_tokens=400) for _ in range(CLIENTS)]
        served.server.process.send(signal.SIGTERM)
        for stream, first in streams:
            rest, chunks = read_text(stream)
            assert (first + rest).split() == FOUR_WORDS.split() * 100
            assert finish_reasons(chunks) == ["length"]
    assert served.server.process.wait() == 0
    served.server.process.wait_for_line(r"drained: \d+ requests? finished, none was cut")


def test_a_forked_child_calls_nothing_of_an_engine_of_its_parents(
    launcher: Launcher, built: Built, model_folder: str
) -> None:
    port = launcher.ports.reserve()
    path = os.pathsep.join([str(built.folder), str(ENGINES)])
    arguments = (built.engine, str(port), model_folder)
    program = launcher.script("foreign_forked", *arguments, env={"PYTHONPATH": path})
    program.wait_for_line("^serves")
    program.wait_for_line("^run: .*this process was forked")
    for child in ("run", "let go", "its own", "let go while it serves"):
        program.wait_for_line(f"^{child}: ended with 0")
    # The parent goes on.
    answer = Api(port).complete(PROMPT, max_tokens=4)
    assert text_of(answer.json).split() == PROMPT.split()
    assert program.terminate() == 0
