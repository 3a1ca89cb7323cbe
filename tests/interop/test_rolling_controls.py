"""Workers are drained and resumed, or sleep and wake, in turn, under traffic: nothing is lost."""

import os
from collections.abc import Callable

import pytest

from support.api import wait_for_model
from support.frontend import start_frontend
from support.launcher import Launcher
from support.processes import Process, until
from support.system import System, serve
from support.traffic import Traffic

pytestmark = [pytest.mark.frontend, pytest.mark.timeout(900)]

ROUNDS = int(os.environ.get("ROLLING_RESTARTS") or 50)
CLIENTS = 32
MODEL = "parrot"
PROMPT = " ".join(["alpha beta gamma delta"] * 5)


def drain_and_resume(system: System) -> None:
    drained = system.control("drain").json
    assert drained["status"] == "ok", drained
    until(lambda: system.status()["safe_to_delete"], "the worker is safe to delete")
    assert system.status() == {"state": "drained", "in_flight": 0, "safe_to_delete": True}
    resumed = system.control("resume").json
    assert (resumed["status"], resumed["state"]) == ("ok", "serving"), resumed


def sleep_and_wake_up(system: System) -> None:
    for control in ("sleep", "wake_up"):
        assert system.control(control).json == {"status": "ok"}


def await_requests(system: System) -> None:
    until(lambda: system.status()["in_flight"] > 0, "requests come again")


@pytest.mark.parametrize("away_and_back", [drain_and_resume, sleep_and_wake_up])
def test_no_request_is_lost_to_workers_that_go_and_come_back(
    launcher: Launcher,
    model_folder: str,
    away_and_back: Callable[[System], None],
    record_property: Callable[[str, object], None],
) -> None:
    api = start_frontend(launcher)
    workers: list[tuple[Process, System]] = [
        serve(
            launcher,
            "paced:PacedSleeper",
            "--model-name",
            model_folder,
            "--served-model-name",
            MODEL,
            env={"DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "0.3"},
        )
        for _ in range(2)
    ]
    wait_for_model(api, MODEL)
    served = []
    with Traffic(api, MODEL, PROMPT, CLIENTS) as traffic:
        for number in range(ROUNDS):
            before = traffic.served
            _, system = workers[number % 2]
            away_and_back(system)
            assert system.is_ready()
            # The other goes only when a frontend knows that this one is back.
            await_requests(system)
            served.append(traffic.served - before)
    record_property("served", traffic.served)
    assert dict(traffic.wrong) == {}
    assert not launcher.latches.is_reached("generated-asleep")
    # Traffic never stood still.
    assert min(served) > 0
    assert [process.terminate() for process, _ in workers] == [0, 0]
