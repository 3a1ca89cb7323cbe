"""vLLM's engine core hangs, and dies: how soon it is told, and what is left."""

from __future__ import annotations

import json
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from support.api import failed, finish_reasons, wait_for_routes
from support.endpoint import begin
from support.frontend import start_frontend
from support.processes import until
from support.system import becomes_not_ready, becomes_ready
from support.vllm_worker import NAME, PROMPTS, Served, VllmWorker

if TYPE_CHECKING:
    from support.launcher import Launcher

CANARY = {
    "DYN_HEALTH_CHECK_ENABLED": "true",
    "DYN_CANARY_WAIT_TIME": "1",
    "DYN_HEALTH_CHECK_REQUEST_TIMEOUT": "5",
}
STREAMS = 8


@pytest.fixture
def watched(path: str, launcher: Launcher) -> Served:
    worker = VllmWorker(launcher, path=path, env=CANARY)
    worker.wait()
    api = start_frontend(launcher)
    wait_for_routes(api, NAME, PROMPTS[0])
    return Served(launcher, worker, api)


def test_a_core_that_hangs_and_one_that_is_killed(watched: Served) -> None:
    worker, api = watched.worker, watched.api
    core = worker.core
    becomes_ready(worker.system)
    core.suspend()
    becomes_not_ready(worker.system)
    assert "canary" in json.dumps(worker.system.health()[1])
    assert worker.system.is_live()
    core.resume()
    becomes_ready(worker.system)

    asked = {"max_tokens": 240, "ignore_eos": True, "model": NAME}
    request = {"token_ids": [5, 6], "stop_conditions": {"max_tokens": 240, "ignore_eos": True}}
    # One after the other, so that there is one at any moment.
    past_the_frontend = begin(watched.launcher, *[request] * 20)
    past_the_frontend.wait_for_line("first chunk")
    with ExitStack() as stack:
        streams = [
            stack.enter_context(api.stream_completion([5, 6], **asked)) for _ in range(STREAMS)
        ]
        for stream in streams:
            stream.first_text()
        killed = time.monotonic()
        core.kill()
        assert worker.process.wait() == 1
        took = time.monotonic() - killed
        ends = [list(stream.events()) for stream in streams]
    # Five on a machine that has nothing else to do.
    assert took < 20
    # On a busy machine the first may be at their end before the last has begun.
    whole = [events for events in ends if not failed(events)]
    assert len(whole) < STREAMS
    for events in whole:
        chunks = [event.json for event in events if event.data.startswith("{")]
        assert finish_reasons(chunks) == ["length"]
    assert past_the_frontend.wait() == 0
    # By this name frontends know that the request may go on at another worker.
    assert "Unavailable" in past_the_frontend.stdout
    assert "EngineCore" in worker.process.stderr
    assert "SIGKILL" in worker.process.stderr
    worker.leaves_nothing()


def test_a_core_that_dies_while_nobody_asks(launcher: Launcher) -> None:
    worker = VllmWorker(launcher)
    worker.wait()
    worker.core.kill()
    assert worker.process.wait() == 1
    until(lambda: not list(launcher.folder.glob("discovery/v1/instances/*")), "it is deregistered")
    worker.leaves_nothing()


def test_a_worker_that_is_killed_takes_its_vllm_along(launcher: Launcher) -> None:
    worker = VllmWorker(launcher)
    worker.wait()
    worker.process.send(signal.SIGKILL)
    worker.process.wait()
    assert worker.family.left() == []
