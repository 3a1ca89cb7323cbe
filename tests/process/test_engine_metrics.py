"""Section 9: an engine's own registry in the worker's ``/metrics``."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from support.api import Api, text_of
from support.gil import HeldGil
from support.launcher import ENGINES
from support.metrics import lint, sample, samples
from support.ports import LOOPBACK
from support.processes import until
from support.system import System, serve

if TYPE_CHECKING:
    from support.launcher import Launcher

SHUT_DOWN_WHEN_SERVED = """
import threading
from measured import Measured
from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig

def on_state(state):
    if state == "Serving":
        worker.shutdown()

config = WorkerConfig(runtime=RuntimeConfig(discovery_backend="mem"))
worker = Worker(Measured(), config, on_state=on_state)
worker.run()
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join()
print("no thread is left")
"""

AGE = "dynamo_component_worker_engine_metrics_age_seconds"
LABELS = {
    "dynamo_namespace": "dynamo",
    "dynamo_component": "backend",
    "dynamo_endpoint": "generate",
    "model": "plain",
    "model_name": "public",
}


def scrape(system: System) -> str:
    answer = system.get("/metrics")
    assert answer.status == 200
    assert lint(answer.text) == ""
    return answer.text


def scrape_anew(system: System) -> str:
    """A scrape whose metrics were read for it: where the machine is busy, the first may give up."""
    found: list[str] = []

    def is_new() -> bool:
        began = time.monotonic()
        found.append(scrape(system))
        return sample(found[-1], AGE) <= time.monotonic() - began

    until(is_new, "the registry is read for a scrape")
    return found[-1]


def test_a_scrape_shows_the_registry_as_it_is_then_with_the_workers_labels(
    launcher: Launcher, model_folder: str
) -> None:
    system = System(launcher.ports.reserve())
    server = launcher.serve(
        "measured:Measured",
        *("--model-name", model_folder, "--served-model-name", "public"),
        env={"DYN_SYSTEM_PORT": str(system.port)},
    )
    for served in range(3):
        text = scrape_anew(system)
        [(labels, value)] = samples(text, "engine_served_total")
        assert value == served
        assert labels.pop("worker_id") == samples(text, AGE)[0][0]["worker_id"]
        assert labels == LABELS
        answer = server.api.complete("alpha beta", model=server.model)
        assert text_of(answer.json).strip() == "alpha beta"
    text = scrape_anew(system)
    assert sample(text, "engine_waiting", queue="urgent", **LABELS) == 0
    assert sample(text, "engine_tokens_bucket", le="+Inf", **LABELS) == 3
    assert samples(text, "engine_build_info")[0][0]["version"] == r"1\"\\\n"
    assert samples(text, AGE)[0][0] == samples(text, "dynamo_component_worker_drained")[0][0]
    assert server.process.terminate() == 0


def test_the_frontends_port_shows_the_registry_too(launcher: Launcher, model_folder: str) -> None:
    server = launcher.serve("measured:Measured", "--model-name", model_folder)
    assert server.api.complete("alpha beta", model=server.model).status == 200

    def served() -> float:
        with urlopen(f"http://{LOOPBACK}:{server.api.port}/metrics") as answer:
            return sample(answer.read().decode(), "engine_served_total")

    until(lambda: served() == 1, "the request is shown")


def test_ranks_have_a_registry_each_and_a_sample_keeps_its_own_labels(launcher: Launcher) -> None:
    _, system = serve(launcher, "measured:OfRanks", "--served-model-name", "public")
    text = scrape_anew(system)
    for rank in ("0", "1"):
        assert sample(text, "engine_running", dp_rank=rank, **LABELS) == float(rank)
        assert sample(text, "engine_own", dp_rank=rank, model="its own") == 1
        assert sample(text, "dynamo_component_gpu_cache_usage_percent", dp_rank=rank) == 0.4
    assert {labels["dynamo_endpoint"] for labels, _ in samples(text, "engine_own")} == {"its own"}
    assert "hidden" not in text


def test_a_text_is_made_when_a_scrape_asks(launcher: Launcher) -> None:
    _, system = serve(launcher, "measured:Texts")
    asked = [sample(scrape_anew(system), "engine_asked", thread="dynamo-metrics") for _ in "12"]
    assert 0 < asked[0] < asked[1]


def test_what_is_no_text_is_logged_once(launcher: Launcher) -> None:
    process, system = serve(launcher, "measured:NoText")
    for _ in range(2):
        assert "engine_bytes" not in scrape(system)
    process.wait_for_line("TypeError: it returned bytes")
    assert process.terminate() == 0
    assert process.output.count("TypeError: it returned bytes; it must return str") == 1
    assert "the function that was registered raised when it was scraped" in process.output


def test_what_conflicts_with_the_workers_metrics_is_left_out_with_one_warning(
    launcher: Launcher,
) -> None:
    process, system = serve(launcher, "measured:InConflict")
    for _ in range(3):
        text = scrape_anew(system)
    assert sample(text, "dynamo_component_worker_requests_cut_total") == 0
    assert sample(text, "dynamo_component_worker_drained", mine="1") == 0
    assert sample(text, "engine_good") == 5
    assert sample(text, "engine_late") == 1
    assert sample(text, "engine_later") == 2
    assert process.terminate() == 0
    warnings = [line for line in process.lines if "is not shown" in line]
    assert len(warnings) == 2
    assert any("it is a gauge here, and a counter before" in line for line in warnings)
    assert any("'this is nothing' is no line" in line for line in warnings)


def test_a_registry_that_raises_keeps_its_last_text_and_is_logged_once(launcher: Launcher) -> None:
    process, system = serve(launcher, "measured:Raising")
    scrape_anew(system)
    launcher.latches.release("broken")
    scrape(system)
    launcher.latches.reached("raised")
    texts = [scrape(system) for _ in range(3)]
    ages = [sample(text, AGE) for text in texts]
    assert 0 < ages[0] < ages[1] < ages[2]
    text = texts[-1]
    assert sample(text, "engine_served_total") == 0
    assert sample(text, "dynamo_component_worker_state", state="Serving") == 1
    launcher.latches.withdraw("broken")
    scrape_anew(system)
    assert process.terminate() == 0
    assert process.output.count("RuntimeError: the engine's process is gone") == 1
    assert process.output.count("the registry that was registered (Raising) raised") == 1
    assert "Traceback (most recent call last)" in process.output


def test_a_registry_that_hangs_holds_up_nothing_else(launcher: Launcher) -> None:
    process, system = serve(launcher, "measured:Hanging")
    launcher.latches.reached("hangs")
    first, second = (sample(scrape(system), AGE) for _ in range(2))
    assert 0 < first < second
    until(lambda: "engine_served_total" in scrape(system), "the other registry is read")
    assert process.terminate() == 0


def test_the_processes_of_an_engine_are_shown_together(launcher: Launcher) -> None:
    folder = launcher.folder / "counts"
    folder.mkdir()
    env = {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    _, system = serve(launcher, "measured:Multiprocess", env=env)
    text = scrape_anew(system)
    assert sample(text, "engine_counted_total", model="theirs", model_name="plain") == 6


@pytest.mark.parametrize("engine", ["Multiprocess", "OwnMultiprocess", "BareMultiprocess"])
def test_files_that_cannot_be_read_keep_nothing_from_the_other_processes(
    launcher: Launcher, engine: str
) -> None:
    folder = launcher.folder / "counts"
    folder.mkdir()
    env = {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    process, system = serve(launcher, f"measured:{engine}", env=env)
    (folder / "counter_999001.db").touch()
    (folder / "histogram_999002.db").write_bytes(b"\x00\x10\x00\x00" + b"\xff" * 8)
    cut = folder / next(file.name for file in folder.glob("counter_*.db") if file.stat().st_size)
    (folder / "counter_999003.db").write_bytes(cut.read_bytes()[:24])
    (folder / "other.db").write_text("what is this")
    counted = {"model": "theirs", "model_name": "plain"}
    assert sample(scrape_anew(system), "engine_counted_total", **counted) == 6
    assert system.control("count").status == 200
    assert sample(scrape_anew(system), "engine_counted_total", **counted) == 9
    assert process.terminate() == 0
    bad = ("counter_999001", "histogram_999002", "counter_999003", "other")
    for name in bad:
        assert process.output.count(f"{name}.db' cannot be read") == 1, process.output
    assert "Traceback" not in process.output


@pytest.mark.parametrize(
    ("engine", "env", "said"),
    [
        ("WithoutRegistry", {}, "registry: int has no method collect"),
        ("WithBadLabel", {}, "labels: 'dp-rank' is no name of a label"),
        ("WithBadPrefix", {}, "prefix: 1 is neither a str nor a list of them"),
        ("OfAll", {"PROMETHEUS_MULTIPROC_DIR": "gone"}, "'gone' is no folder"),
    ],
)
def test_what_cannot_be_registered_is_refused_before_serving(
    launcher: Launcher, engine: str, env: dict[str, str], said: str
) -> None:
    process = launcher.command(
        "serve", f"measured:{engine}", "--discovery-backend", "file", env=env
    )
    assert process.wait() == 1
    assert "setup_metrics" in process.stderr
    assert said in process.stderr


def test_the_registrys_thread_ends_with_the_run(launcher: Launcher) -> None:
    program = launcher.start(sys.executable, "-c", SHUT_DOWN_WHEN_SERVED)
    program.wait_for_line("no thread is left")
    assert program.wait() == 0


@pytest.mark.parametrize("engine", ["echo", "plain:Plain"])
def test_promtool_has_nothing_to_say_of_an_engine_without_a_registry(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    system = System(launcher.ports.reserve())
    env = {"DYN_SYSTEM_PORT": str(system.port)}
    server = launcher.serve(engine, "--model-name", model_folder, env=env)
    assert server.api.complete("alpha beta", model=server.model, max_tokens=4).status == 200
    assert samples(scrape(system), AGE) == []
    assert server.process.terminate() == 0


def test_without_prometheus_client_the_error_names_the_extra(launcher: Launcher) -> None:
    blocked = launcher.folder / "blocked"
    blocked.mkdir()
    (blocked / "prometheus_client.py").write_text("raise ImportError('blocked')")
    process = launcher.command(
        *("serve", "plain:Registering", "--discovery-backend", "file"),
        env={"PYTHONPATH": os.pathsep.join([str(blocked), str(ENGINES)])},
    )
    assert process.wait() == 1
    assert "pip install 'dynamo_backend_common[metrics]'" in process.stderr


def test_a_scrape_is_new_while_the_event_loop_is_blocked(
    launcher: Launcher, model_folder: str
) -> None:
    system = System(launcher.ports.reserve())
    env = {"DYN_SYSTEM_PORT": str(system.port)}
    server = launcher.serve("measured:Blocking", "--model-name", model_folder, env=env)
    with server.api.stream_completion("alpha", model=server.model) as stream:
        launcher.latches.reached("blocks")
        assert sample(scrape_anew(system), "engine_served_total") == 1
        launcher.latches.release("go")
        stream.rest()
    assert server.process.terminate() == 0


def test_a_scrape_is_answered_while_the_gil_is_held(launcher: Launcher, model_folder: str) -> None:
    system, api = System(launcher.ports.reserve()), Api(launcher.ports.reserve())
    env = {"DYN_SYSTEM_PORT": str(system.port), "ENGINE": "measured:Measured"}
    gil = HeldGil(launcher, api.port, model_folder, env=env)
    assert api.complete("alpha").status == 200
    assert sample(scrape_anew(system), "engine_served_total") == 1
    gil.hold()

    texts = [scrape(system) for _ in range(3)]

    gil.is_held()
    gil.release()
    gil.released()
    ages = [sample(text, AGE) for text in texts]
    assert 0 < ages[0] < ages[1] < ages[2]
    assert [sample(text, "engine_served_total") for text in texts] == [1, 1, 1]
    scrape_anew(system)
    assert gil.program.terminate() == 0
