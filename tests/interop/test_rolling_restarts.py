"""Workers are replaced one by one, under traffic, and no client notices."""

import os
from collections.abc import Callable

import pytest

from support.api import wait_for_model
from support.frontend import start_frontend
from support.launcher import Launcher
from support.processes import Process
from support.traffic import Traffic

pytestmark = [pytest.mark.frontend, pytest.mark.timeout(900)]

RESTARTS = int(os.environ.get("ROLLING_RESTARTS") or 50)
"""Less than a minute's; more by the environment."""
CLIENTS = 32
WORKERS = 2
MODEL = "parrot"
PROMPT = " ".join(["alpha beta gamma delta"] * 5)


def start(launcher: Launcher, model_folder: str) -> Process:
    return launcher.command(
        "serve",
        "paced:Paced",
        "--discovery-backend",
        "file",
        "--model-name",
        model_folder,
        "--served-model-name",
        MODEL,
        env={"DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "0.3"},
    )


def test_section_12_2_rolling_restarts_lose_no_request_and_cut_no_stream(
    launcher: Launcher, model_folder: str, record_property: Callable[[str, object], None]
) -> None:
    api = start_frontend(launcher)
    workers = [start(launcher, model_folder) for _ in range(WORKERS)]
    for worker in workers:
        worker.wait_for_line("^Serving on")
    wait_for_model(api, MODEL)
    statuses = []
    served = []
    with Traffic(api, MODEL, PROMPT, CLIENTS) as traffic:
        for number in range(RESTARTS):
            before = traffic.served
            replaced = workers.pop(0)
            # In turns: with one worker more than needed for a while, or with one less.
            if number % 2 == 0:
                workers.append(start(launcher, model_folder))
                workers[-1].wait_for_line("^Serving on")
                statuses.append(replaced.terminate())
            else:
                statuses.append(replaced.terminate())
                workers.append(start(launcher, model_folder))
                workers[-1].wait_for_line("^Serving on")
            served.append(traffic.served - before)
    record_property("served", traffic.served)
    assert dict(traffic.wrong) == {}
    assert statuses == [0] * RESTARTS
    assert [worker.terminate() for worker in workers] == [0] * WORKERS
    # Traffic never stood still.
    assert min(served) > 0
