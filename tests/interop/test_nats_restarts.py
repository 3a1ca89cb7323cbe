"""An event plane that goes away and comes back, beside requests that come by TCP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.api import wait_for_model
from support.frontend import start_frontend
from support.processes import until
from support.servers import Nats
from support.streams import PROMPT
from support.subjects import Listener
from support.system import System, serve
from support.traffic import Traffic

if TYPE_CHECKING:
    from support.launcher import Launcher

pytestmark = pytest.mark.frontend

LOAD, BLOCKS = "kv_metrics", "kv-events"
"""What the subjects of the two kinds of events contain."""


@pytest.mark.parametrize("silence", ["killed", "suspended"])
def test_requests_do_not_notice_and_publishing_resumes_by_itself(
    launcher: Launcher, model_folder: str, silence: str
) -> None:
    nats = Nats(launcher)
    nats.start()
    env = {"NATS_SERVER": nats.url, "DYN_EVENT_PLANE": "nats"}
    worker, system = serve(launcher, "loaded:Storing", "--model-name", model_folder, env=env)
    api = start_frontend(launcher, "--router-mode", "kv", env=env)
    wait_for_model(api)
    # With KV routing a model is listed before it can be asked.
    until(lambda: api.complete(PROMPT).status == 200, "a request is served")
    with Traffic(api, "loaded", PROMPT, clients=2) as traffic:
        served_by(traffic)
        with Listener(nats.url) as listener:
            hears(listener, system, used_blocks=1, block_hash=1)
            if silence == "killed":
                nats.kill()
            else:
                nats.suspend()
        served_by(traffic)
        # Nobody waits for the network; the latest is what counts when it is back.
        for used_blocks in range(2, 50):
            push(system, used_blocks)
        served_by(traffic)
        if silence == "killed":
            nats.start()
        else:
            nats.resume()
        with Listener(nats.url) as listener:
            until(lambda: 49 in loads(listener), "the load of meanwhile is heard")
            hears(listener, system, used_blocks=50, block_hash=2)
        served_by(traffic)
    assert traffic.wrong == {}
    assert worker.terminate() == 0


def served_by(traffic: Traffic) -> None:
    """Waits until some more requests were served."""
    enough = traffic.served + 20
    until(lambda: traffic.served >= enough or bool(traffic.wrong), "requests are served")


def push(system: System, used_blocks: int) -> None:
    body = {"dp_rank": 0, "used_blocks": used_blocks, "total_blocks": 100}
    assert system.control("push", body).status == 200


def hears(listener: Listener, system: System, *, used_blocks: int, block_hash: int) -> None:
    """Publishes of both kinds, and waits until both are heard."""
    push(system, used_blocks)
    assert system.control("store", {"block_hash": block_hash}).status == 200
    until(lambda: used_blocks in loads(listener), "the load is heard")
    until(lambda: str(block_hash) in str(blocks(listener)), "the block is heard")


def loads(listener: Listener) -> list[int]:
    return [load["kv_used_blocks"] for load in listener.events(LOAD)]


def blocks(listener: Listener) -> list[Any]:
    return listener.events(BLOCKS)
