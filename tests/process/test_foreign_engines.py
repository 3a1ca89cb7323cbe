"""Engines that were compiled elsewhere: the examples in C, C++ and as a wheel in Rust."""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from support.api import Api, finish_reasons, read_text, text_of
from support.event_plane import EventPlane
from support.launcher import ENGINES
from support.metrics import lint, sample
from support.native import RUST_ENGINE, compile_c_engine, copy_crate, install_wheel
from support.processes import until
from support.system import System

if TYPE_CHECKING:
    from pathlib import Path

    from support.launcher import Launcher, Server

PROMPT = " one two three four"
"""Each word is one token, its space included."""
CLIENTS = 16
USAGE = "dynamo_component_gpu_cache_usage_percent"

# The first one of an engine compiles it.
pytestmark = pytest.mark.timeout(900)
CXX = ("c++", "-x", "c++", "-std=c++11")

UNTAKEN = """
import resource
from c_engine import Cycle

def hand_over(count):
    for _ in range(count):
        Cycle().__dynamo_engine__(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = hand_over(1000)
print("grown by", hand_over(300_000) - before)
"""

UNTAKEN_IN_RUST = """
import pathlib, time
from metronome_engine import Metronome

def threads():
    tasks = pathlib.Path("/proc/self/task").glob("*/comm")
    return [name for task in tasks if (name := task.read_text().strip()) == "metronome"]

capsule = Metronome().__dynamo_engine__(1)
# A thread gives itself its name, a moment later.
while not threads():
    time.sleep(0.01)
del capsule
while threads():
    time.sleep(0.01)
print("no thread is left")
"""


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
    return Built(
        folder, "c_engine:Cycle", "cycle", "an engine in C has started", "cycle_tokens_total"
    )


@dataclass(frozen=True)
class Served:
    server: Server
    system: System

    @property
    def api(self) -> Api:
        return self.server.api

    def in_flight(self) -> int:
        return int(self.system.status()["in_flight"])


def serve(launcher: Launcher, built: Built, model_folder: str, *options: str) -> Served:
    system = System(launcher.ports.reserve())
    server = launcher.serve(
        built.engine,
        *["--model-name", model_folder, *options],
        cwd=built.folder,
        env={"DYN_SYSTEM_PORT": str(system.port)},
    )
    return Served(server, system)


@pytest.fixture(scope="module")
def served(shared: Launcher, built: Built, model_folder: str) -> Served:
    return serve(shared, built, model_folder)


def test_it_keeps_the_contract(launcher: Launcher, built: Built) -> None:
    checked = launcher.command("check", built.engine, "--requests", "200", cwd=built.folder)
    assert checked.wait() == 0, checked.output
    assert ", 0 failed, " in checked.stdout
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
        streams = [
            stack.enter_context(served.api.stream_completion(PROMPT, max_tokens=400))
            for _ in range(CLIENTS)
        ]
        first = [stream.first_text() for stream in streams]
        served.server.process.send(signal.SIGTERM)
        for stream, begun in zip(streams, first, strict=True):
            rest, chunks = read_text(stream)
            assert (begun + rest).split() == PROMPT.split() * 100
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


@pytest.mark.parametrize("built", ["rust"], indirect=True)
def test_its_kv_events_and_load_are_seen(
    launcher: Launcher, built: Built, model_folder: str
) -> None:
    planes = ("--discovery-backend", "file", "--event-plane", "zmq")
    served = serve(launcher, built, model_folder, *planes)
    prompt = PROMPT * 10
    with EventPlane(launcher) as events:
        cached = [
            served.api.complete(prompt, max_tokens=1).json["usage"]["prompt_tokens_details"]
            for _ in range(2)
        ]
        assert [details["cached_tokens"] for details in cached] == [0, 32]
        text = served.system.get("/metrics").text
        assert sample(text, "dynamo_component_total_blocks", dp_rank="0") == 1024
        assert sample(text, USAGE, dp_rank="0") == 2 / 1024
        assert sample(text, "dynamo_component_kv_cache_hit_rate", dp_rank="0") == 0.5
        forgotten = served.system.control("forget", {}).json
        assert forgotten["status"] == "ok"
        assert len(forgotten["blocks"]) == 2
        events.until_told_of(forgotten["blocks"])
    text = served.system.get("/metrics").text
    assert sample(text, USAGE, dp_rank="0") == 0
    assert served.server.process.terminate() == 0


@pytest.mark.parametrize("built", ["rust"], indirect=True)
def test_its_arguments_follow_the_dashes(launcher: Launcher, built: Built) -> None:
    def refused(*argv: str) -> str:
        process = launcher.command("serve", built.engine, "--", *argv, cwd=built.folder)
        assert process.wait() == 2
        assert "Traceback" not in process.output
        return process.stderr

    assert "argument --beat-ms: invalid int value: 'soon'" in refused("--beat-ms", "soon")
    assert (
        "engine: Metronome.__dynamo_engine__ raised OverflowError: can't convert negative"
        in refused("--beat-ms", "-1")
    )


@pytest.mark.parametrize("built", ["c"], indirect=True)
def test_an_engine_that_nobody_takes_is_freed(launcher: Launcher, built: Built) -> None:
    process = launcher.start(sys.executable, "-c", UNTAKEN, cwd=built.folder)
    # In kilobytes; a single engine is 150 bytes.
    assert int(process.wait_for_line(r"^grown by (\d+)").group(1)) < 10_000


@pytest.mark.parametrize("built", ["rust"], indirect=True)
def test_an_engine_in_rust_that_nobody_takes_ends_its_threads(
    launcher: Launcher, built: Built
) -> None:
    process = launcher.start(sys.executable, "-c", UNTAKEN_IN_RUST, cwd=built.folder)
    process.wait_for_line("^no thread is left")
