"""Requests and events through every combination of discovery, request plane and event plane.

Each combination serves, answers, and publishes; what went where is seen on the wire.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from support.api import Api, text_of, wait_for_model
from support.frontend import start_frontend
from support.processes import Process, until
from support.servers import Etcd, Nats
from support.streams import PROMPT
from support.subjects import Listener, event_of
from support.system import SERVING, System

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.launcher import Launcher

pytestmark = pytest.mark.frontend

SIGNAL = "kv_metrics"
REQUESTS = 3


@pytest.fixture(scope="module")
def etcd(shared: Launcher) -> Etcd:
    server = Etcd(shared)
    server.start()
    return server


@pytest.fixture(scope="module")
def nats(shared: Launcher) -> Nats:
    server = Nats(shared)
    server.start()
    return server


@pytest.fixture
def listener(nats: Nats) -> Iterator[Listener]:
    with Listener(nats.url) as listener:
        yield listener


@pytest.mark.parametrize("events", ["nats", "zmq"])
@pytest.mark.parametrize("requests", ["tcp", "nats"])
@pytest.mark.parametrize("discovery", ["etcd", "file", "mem"])
def test_every_combination_serves_answers_and_publishes(
    launcher: Launcher,
    model_folder: str,
    etcd: Etcd,
    nats: Nats,
    listener: Listener,
    discovery: str,
    requests: str,
    events: str,
) -> None:
    system = System(launcher.ports.reserve())
    env = {"DYN_EVENT_PLANE": events, "DYN_REQUEST_PLANE": requests}
    # A server that no plane needs is not looked for.
    if discovery == "etcd":
        env["ETCD_ENDPOINTS"] = etcd.url
    if "nats" in (requests, events):
        env["NATS_SERVER"] = nats.url
    options = ["--discovery-backend", discovery, "--model-name", model_folder]
    own = env | {"DYN_SYSTEM_PORT": str(system.port)}
    if discovery == "mem":
        server = launcher.serve("loaded:Loaded", *options, env=own)
        worker, api = server.process, server.api
    else:
        worker = launcher.command("serve", "loaded:Loaded", *options, env=own)
        worker.wait_for_line(SERVING)
        api = start_frontend(launcher, discovery=discovery, request_plane=requests, env=env)
        wait_for_model(api)

    for _ in range(REQUESTS):
        answers(api)
    if requests == "nats":
        until(lambda: len(requests_heard(listener)) >= REQUESTS, "the requests are heard by NATS")
        assert "TCP request plane" not in worker.output
    else:
        assert requests_heard(listener) == []
        assert connections(worker)

    assert system.control("push", {"dp_rank": 1, "used_blocks": 7, "total_blocks": 9}).status == 200
    if events == "nats":
        until(lambda: bool(listener.events(SIGNAL)), "the load is heard by NATS")
        assert is_of_the_worker(listener.events(SIGNAL)[0])
        assert "ZMQ PUB" not in worker.output
    else:
        assert is_of_the_worker(event_by_zmq(worker))
        assert listener.events(SIGNAL) == []
    if discovery == "etcd":
        assert len(etcd.instances()) == 1
    assert worker.terminate() == 0
    if discovery == "etcd":
        assert etcd.instances() == []


def answers(api: Api) -> None:
    answer = api.complete(PROMPT)
    assert answer.status == 200, answer.text
    assert text_of(answer.json).strip() == PROMPT


def requests_heard(listener: Listener) -> list[str]:
    """The subjects of requests to the worker's endpoint that NATS carried."""
    subjects = [message.subject for message in list(listener.messages)]
    return [each for each in subjects if "generate" in each and SIGNAL not in each]


def connections(worker: Process) -> int:
    """How many connections to the worker's TCP request plane there are."""
    port = int(worker.wait_for_line(r"advertised_addr=127\.0\.0\.1:(\d+)").group(1))
    lines = Path(f"/proc/{worker.pid}/net/tcp").read_text().splitlines()[1:]
    local = [line.split()[1] for line in lines if line.split()[3] == "01"]
    return sum(int(address.partition(":")[2], 16) == port for address in local)


def event_by_zmq(worker: Process) -> Any:
    """The first event on the worker's own ZMQ socket."""
    found = worker.wait_for_line(r"public_endpoint=(tcp://127\.0\.0\.1:\d+)")
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.connect(found.group(1))
        socket.subscribe(SIGNAL)
        assert socket.poll(60_000), "nothing is published by ZMQ"
        *_, frame = socket.recv_multipart()
    # A version and a length are in front of it.
    return event_of(frame[5:])


def is_of_the_worker(load: Any) -> bool:
    return (load["dp_rank"], load["kv_used_blocks"]) == (1, 7)
