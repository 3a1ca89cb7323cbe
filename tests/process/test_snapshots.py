"""Snapshots of the KV cache: gauges for people, and a load signal that routers act on."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from support.api import Api, wait_for_model
from support.frontend import start_frontend
from support.processes import until
from support.servers import Nats
from support.streams import PROMPT
from support.subjects import Listener
from support.system import System, serve

if TYPE_CHECKING:
    from support.launcher import Launcher
    from support.processes import Process

PREFIX = "dynamo_component_"
SIGNAL = "kv_metrics"
"""The topic of the load signal."""
OVERLOADED = 529
"""What Dynamo's frontend answers when every worker is too full."""


def start(
    launcher: Launcher, model_folder: str, plane: str
) -> tuple[Process, System, dict[str, str]]:
    """The engine of these tests with an event plane, and the environment of its peers."""
    env = {"DYN_EVENT_PLANE": plane}
    if plane == "nats":
        nats = Nats(launcher)
        nats.start()
        env["NATS_SERVER"] = nats.url
    process, system = loaded(launcher, model_folder, env)
    return process, system, env


def loaded(launcher: Launcher, model_folder: str, env: dict[str, str]) -> tuple[Process, System]:
    return serve(launcher, "loaded:Loaded", "--model-name", model_folder, env=env)


def push(system: System, dp_rank: int, used_blocks: int, **more: float | str) -> None:
    body = {"dp_rank": dp_rank, "used_blocks": used_blocks, "total_blocks": 100, **more}
    answer = system.control("push", body)
    assert answer.json == {"status": "ok"}, answer.text


def gauges(system: System, name: str) -> dict[str, float]:
    """A gauge's value for each rank that has one."""
    text = system.get("/metrics").text
    found = re.findall(rf"^{PREFIX}{name}{{(.*)}} (\S+)$", text, re.MULTILINE)
    return {re.findall(r'dp_rank="(\d+)"', labels)[0]: float(value) for labels, value in found}


def test_section_9_a_rank_has_gauges_and_a_hit_rate_from_its_first_measurement_on(
    launcher: Launcher, model_folder: str
) -> None:
    worker, system, _ = start(launcher, model_folder, "zmq")
    zeros = {"0": 0.0, "1": 0.0}
    assert gauges(system, "total_blocks") == zeros
    assert gauges(system, "gpu_cache_usage_percent") == zeros
    assert gauges(system, "kv_cache_hit_rate") == {}

    push(system, 1, 25)
    assert gauges(system, "total_blocks") == {"0": 0, "1": 100}
    assert gauges(system, "gpu_cache_usage_percent") == {"0": 0, "1": 0.25}
    assert gauges(system, "kv_cache_hit_rate") == {}
    # A measurement of nothing is one; none at all keeps the last.
    push(system, 1, 25, kv_cache_hit_rate=0.0)
    assert gauges(system, "kv_cache_hit_rate") == {"1": 0.0}
    push(system, 1, 25, kv_cache_hit_rate=0.5)
    push(system, 1, 30)
    push(system, 1, 30, kv_cache_hit_rate="nan")
    assert gauges(system, "kv_cache_hit_rate") == {"1": 0.5}

    # A rank that was not declared.
    push(system, 2, 99, kv_cache_hit_rate=0.9)
    for name in ("total_blocks", "gpu_cache_usage_percent"):
        assert set(gauges(system, name)) == {"0", "1"}
    assert gauges(system, "kv_cache_hit_rate") == {"1": 0.5}
    # What is no count of blocks is the caller's error.
    assert (
        system.control("push", {"dp_rank": 0, "used_blocks": -1, "total_blocks": 1}).status == 500
    )
    assert worker.terminate() == 0


def test_section_9_a_flood_from_two_threads_keeps_the_latest_value_of_each_rank(
    launcher: Launcher, model_folder: str
) -> None:
    worker, system, env = start(launcher, model_folder, "nats")
    with Listener(env["NATS_SERVER"]) as listener, ThreadPoolExecutor() as pool:

        def heard(dp_rank: int) -> list[int]:
            loads = listener.events(SIGNAL)
            return [load["kv_used_blocks"] for load in loads if load["dp_rank"] == dp_rank]

        flood = pool.submit(system.control, "flood", {"used": list(range(51, 98)), "last": 7})
        # While it goes on, not when it pauses.
        until(lambda: all(len(heard(rank)) > 20 for rank in (0, 1)), "the router hears of the load")
        launcher.latches.release("calm")
        told = flood.result().json
        until(lambda: all(heard(rank)[-1] == 7 for rank in (0, 1)), "the router hears the last")
        # No message for each push.
        assert len(listener.events(SIGNAL)) < told["pushes"] / 5
        push(system, 2, 99)
        push(system, 0, 8)
        until(lambda: heard(0)[-1] == 8, "the router hears of the rank that was declared")
        assert heard(2) == []
        assert worker.terminate() == 0


def test_section_9_pushing_waits_for_no_network(launcher: Launcher, model_folder: str) -> None:
    nats = Nats(launcher)
    nats.start()
    env = {"DYN_EVENT_PLANE": "nats", "NATS_SERVER": nats.url}
    worker, system = loaded(launcher, model_folder, env)
    nats.suspend()
    assert system.control("burst", {"pushes": 20_000}).json == {"status": "ok"}
    until(lambda: gauges(system, "gpu_cache_usage_percent")["0"] == 200, "the gauges are the last")
    nats.resume()
    assert worker.terminate() == 0


@pytest.mark.parametrize(
    ("ranks", "why"),
    [
        ("[0, 2]", "dp_ranks: 2 is none of the engine's ranks"),
        ("[1, 1]", "dp_ranks: 1 is there twice"),
        ("[-1]", "dp_ranks is [-1]; it must be a sequence of whole numbers"),
        ('["one"]', "dp_ranks is ['one']; it must be a sequence of whole numbers"),
    ],
)
def test_ranks_that_cannot_be_are_refused_and_named(
    launcher: Launcher, ranks: str, why: str
) -> None:
    options = ["--discovery-backend", "file", "--", ranks]
    worker = launcher.command("serve", "loaded:Misdeclared", *options)
    assert worker.wait() == 1
    assert f"dynamo-backend: error: setup_metrics: {why}" in worker.stderr
    assert launcher.latches.is_reached("cleanup")


def test_section_2_a_publisher_that_cannot_be_taken_ends_the_run_with_its_traceback(
    launcher: Launcher,
) -> None:
    worker = launcher.command("serve", "loaded:Unready", "--discovery-backend", "file")
    assert worker.wait() == 1
    assert "on_publisher_ready: RuntimeError: no room for a publisher" in worker.stderr
    assert "in ready" in worker.stderr
    assert launcher.latches.is_reached("cleanup")


@pytest.mark.frontend
@pytest.mark.parametrize("plane", ["nats", "zmq"])
def test_section_9_a_frontend_spares_a_worker_whose_cache_is_full_and_uses_it_again(
    launcher: Launcher, model_folder: str, plane: str
) -> None:
    worker, system, env = start(launcher, model_folder, plane)
    # Before there is a router that could hear it.
    for rank in (0, 1):
        push(system, rank, 90)
    api = start_frontend(launcher, "--active-decode-blocks-threshold", "0.5", env=env)
    wait_for_model(api)
    until(lambda: status(api) == OVERLOADED, "the worker is spared for what it pushed before")
    push(system, 0, 10)
    until(lambda: status(api) == 200, "a rank that has room is used")
    with ThreadPoolExecutor() as pool:
        flood = pool.submit(system.control, "flood", {"used": list(range(51, 98)), "last": 10})
        until(
            lambda: status(api) == OVERLOADED, "the worker is spared while it pushes all the time"
        )
        launcher.latches.release("calm")
        assert flood.result().status == 200
    until(lambda: status(api) == 200, "the worker is used again")
    assert worker.terminate() == 0


def status(api: Api) -> int:
    return api.complete(PROMPT, model="loaded").status
