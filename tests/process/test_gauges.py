"""What a scrape sees of a worker's life: its state, its requests, and whether it drained."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.request import urlopen

from dynamo_backend_common import WorkerState
from support.api import Api, failed, read_text
from support.metrics import samples
from support.processes import Process, until

if TYPE_CHECKING:
    from support.launcher import Launcher

PROMPT = "alpha beta gamma delta"
PREFIX = "dynamo_component_worker_"


class Worker:
    """A worker with the metrics of its system server."""

    def __init__(
        self,
        launcher: Launcher,
        model_folder: str,
        engine: str = "GatedAndDrainWaits",
        **env: str,
    ) -> None:
        port, self._system_port = launcher.ports.reserve(), launcher.ports.reserve()
        self.api = Api(port)
        self.process: Process = launcher.script(
            "worker",
            f"lifecycles:{engine}",
            str(port),
            model_folder,
            env={"DYN_SYSTEM_PORT": str(self._system_port), "SERVED_NAME": "public", **env},
        )
        self.process.wait_for_line("^state Serving")

    def scrape(self) -> str:
        with urlopen(f"http://127.0.0.1:{self._system_port}/metrics") as answer:
            return str(answer.read().decode())

    def value(self, name: str) -> float:
        [(_, value)] = samples(self.scrape(), PREFIX + name)
        return value

    def state(self) -> str:
        states = {
            labels["state"]: value for labels, value in samples(self.scrape(), PREFIX + "state")
        }
        assert sorted(states) == sorted(WorkerState)
        [state] = [state for state, value in states.items() if value == 1]
        assert sum(states.values()) == 1
        return state


def test_section_12_12_the_gauges_tell_when_a_worker_has_drained(
    launcher: Launcher, model_folder: str
) -> None:
    worker = Worker(launcher, model_folder)
    assert worker.state() == "Serving"
    assert worker.value("ready") == 1
    assert worker.value("requests_in_flight") == 0
    with ExitStack() as stack:
        stream = stack.enter_context(worker.api.stream_completion(PROMPT))
        stream.first_text()
        assert worker.value("requests_in_flight") == 1
        worker.process.send(signal.SIGTERM)
        worker.process.wait_for_line("waiting for 1 requests in flight")
        assert worker.state() == "Draining"
        assert worker.value("ready") == 0
        assert worker.value("drained") == 0
        launcher.latches.release("go")
        read_text(stream)
    launcher.latches.reached("drain")
    assert worker.value("drained") == 1
    assert worker.value("requests_in_flight") == 0
    assert worker.value("requests_cut_total") == 0
    launcher.latches.release("drained")
    assert worker.process.wait() == 0


def test_section_12_12_the_gauges_tell_of_requests_that_were_cut(
    launcher: Launcher, model_folder: str
) -> None:
    # Half of the time is cleanup's, in which the test looks.
    timeout = {"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "8"}
    worker = Worker(launcher, model_folder, "GatedAndCleanupWaits", **timeout)
    with ExitStack() as stack:
        stream = stack.enter_context(worker.api.stream_completion(PROMPT))
        stream.first_text()
        worker.process.send(signal.SIGTERM)
        assert failed(list(stream.events()))
    launcher.latches.reached("cleanup")
    until(lambda: worker.value("requests_cut_total") == 1, "the cut is counted")
    assert worker.value("drained") == 0
    launcher.latches.release("cleaned")
    assert worker.process.wait() == 0


def test_section_9_the_gauges_have_the_labels_of_the_others(
    launcher: Launcher, model_folder: str
) -> None:
    worker = Worker(launcher, model_folder)
    text = worker.scrape()
    [(labels, _)] = samples(text, "dynamo_component_drain_time_seconds")
    assert labels == {
        "worker_id": labels["worker_id"],
        "dynamo_namespace": "dynamo",
        "dynamo_component": "backend",
        "dynamo_endpoint": "generate",
        "model": "plain",
        "model_name": "public",
    }
    for name, wanted in (
        ("ready", 1),
        ("requests_in_flight", 0),
        ("requests_cut_total", 0),
        ("drained", 0),
    ):
        [(own, value)] = samples(text, PREFIX + name)
        assert (own, value) == (labels, wanted)
    for own, _ in samples(text, PREFIX + "state"):
        assert own == labels | {"state": own["state"]}
    launcher.latches.release("drained")
    assert worker.process.terminate() == 0
