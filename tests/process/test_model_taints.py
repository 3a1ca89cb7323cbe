"""The taints that an operator gives a worker's card, while it serves and wherever it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.processes import until
from support.servers import Etcd
from support.system import SERVING, System, cards, instances, serve

if TYPE_CHECKING:
    from pathlib import Path

    from support.launcher import Launcher


def taints(launcher: Launcher) -> list[list[str]]:
    """Those of each card in discovery by files."""
    found = (json.loads(path.read_text())["card_json"] for path in cards(launcher))
    return [sorted(card["runtime_config"].get("taints", [])) for card in found]


def taint(system: System, *names: str, of: str = "") -> None:
    answer = system.control(f"update/{of}model_taints", {"taints": list(names)})
    assert answer.json == {"status": "ok", "taints": sorted(set(names))}, answer.text


def test_they_replace_those_before_them(launcher: Launcher) -> None:
    _, system = serve(launcher, "plain:Plain")
    assert taints(launcher) == [[]]
    taint(system, "gpu=old", "canary", "canary")
    assert taints(launcher) == [["canary", "gpu=old"]]
    taint(system, "canary", of="dynamo.backend.generate/")
    assert taints(launcher) == [["canary"]]
    taint(system)
    assert taints(launcher) == [[]]
    assert system.is_ready()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "an array of strings"),
        ({"taints": "canary"}, "an array of strings"),
        ({"taints": ["canary", 1]}, "an array of strings"),
        (["canary"], "an array of strings"),
        ({"taints": ["dynamo.topology/zone=a"]}, "begins those of the worker's topology"),
        ({"taints": [""]}, "it is empty"),
        (b"canary", "no JSON"),
    ],
)
def test_what_says_no_taints_changes_none(
    shared_tainted: tuple[Launcher, System], body: object, message: str
) -> None:
    launcher, system = shared_tainted
    answer = system.control("update/model_taints", body)
    assert answer.status == 400
    assert message in answer.json["message"]
    assert taints(launcher) == [["canary"]]


@pytest.fixture(scope="module")
def shared_tainted(shared: Launcher) -> tuple[Launcher, System]:
    _, system = serve(shared, "plain:Plain")
    taint(system, "canary")
    return shared, system


def test_a_card_that_was_lost_comes_back_with_them(launcher: Launcher) -> None:
    process, system = serve(launcher, "plain:Plain")
    taint(system, "canary")
    for card in cards(launcher):
        card.unlink()
    process.wait_for_line("not in discovery: its model card gone")
    until(lambda: taints(launcher) == [["canary"]], "the card is back with its taints")


def test_one_of_two_that_sleeps_takes_them_and_comes_back_with_them(
    launcher: Launcher, model_folder: str
) -> None:
    _, system = serve(launcher, "updated:Updated", "--model-name", model_folder)
    serve(launcher, "updated:Updated", "--model-name", model_folder)
    taint(system, "before")
    # Where another one serves the model, the card goes first.
    assert system.control("sleep").json == {"status": "ok"}
    assert (taints(launcher), len(instances(launcher))) == ([[]], 1)
    taint(system, "asleep")
    assert taints(launcher) == [[]]
    assert system.control("wake_up").json == {"status": "ok"}
    assert sorted(taints(launcher)) == [[], ["asleep"]]


def test_an_adapters_card_has_those_of_its_time(launcher: Launcher, model_folder: str) -> None:
    _, system = serve(launcher, "updated:Updated", "--model-name", model_folder)
    taint(system, "canary")
    assert system.control("update/load", {"name": "tuned"}).json == {"status": "ok"}
    assert taints(launcher) == [["canary"], ["canary"]]


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    (tmp_path / "zone").write_text("west\n")
    (tmp_path / "rack").write_text("7")
    return tmp_path


def test_those_of_the_topology_stay(launcher: Launcher, zone: Path) -> None:
    topology = {
        "DYN_TOPOLOGY_ENABLED": "true",
        "DYN_TOPOLOGY_MOUNT_PATH": str(zone),
        "DYN_KV_TRANSFER_DOMAIN": "zone",
        "DYN_KV_TRANSFER_ENFORCEMENT": "preferred",
        "DYN_KV_TRANSFER_PREFERRED_WEIGHT": "0.5",
    }
    _, system = serve(launcher, "plain:Plain", env=topology)
    own = ["dynamo.topology/rack=7", "dynamo.topology/zone=west"]
    assert taints(launcher) == [own]
    [card] = cards(launcher)
    runtime = json.loads(card.read_text())["card_json"]["runtime_config"]
    assert runtime["topology_domains"] == {"zone": "west", "rack": "7"}
    assert runtime["kv_transfer_domain"] == "zone"
    assert runtime["kv_transfer_enforcement"] == "preferred"
    assert runtime["kv_transfer_preferred_weight"] == 0.5
    taint(system, "canary")
    assert taints(launcher) == [["canary", *own]]


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "DYN_KV_TRANSFER_DOMAIN: with DYN_TOPOLOGY_ENABLED it must name a domain"),
        (
            {"DYN_KV_TRANSFER_DOMAIN": "zone", "DYN_KV_TRANSFER_ENFORCEMENT": "maybe"},
            "DYN_KV_TRANSFER_ENFORCEMENT: 'maybe' is unknown",
        ),
    ],
)
def test_a_topology_that_cannot_be_is_told_before_the_engine_starts(
    launcher: Launcher, env: dict[str, str], message: str
) -> None:
    process = launcher.command(
        "serve",
        "lifecycles:Recorded",
        "--discovery-backend",
        "file",
        env={"DYN_TOPOLOGY_ENABLED": "yes"} | env,
    )
    assert process.wait() == 1
    assert message in process.stderr
    assert not launcher.latches.is_reached("start")


def test_a_signal_ends_the_wait_for_a_topology(launcher: Launcher, tmp_path: Path) -> None:
    process = launcher.command(
        "serve",
        "lifecycles:Recorded",
        "--discovery-backend",
        "file",
        env={
            "DYN_TOPOLOGY_ENABLED": "1",
            "DYN_TOPOLOGY_MOUNT_PATH": str(tmp_path),
            "DYN_KV_TRANSFER_DOMAIN": "zone",
        },
    )
    process.wait_for_line("waiting for the topology")
    assert process.terminate() == 0
    assert launcher.latches.is_reached("cleanup")
    assert cards(launcher) == []


def test_they_are_seen_in_etcd(launcher: Launcher) -> None:
    etcd = Etcd(launcher)
    etcd.start()
    port = launcher.ports.reserve()
    env = {
        "DYN_DISCOVERY_BACKEND": "etcd",
        "DYN_SYSTEM_PORT": str(port),
        "ETCD_ENDPOINTS": etcd.url,
    }
    process = launcher.command("serve", "plain:Plain", env=env)
    process.wait_for_line(SERVING)
    taint(System(port), "canary")
    [card] = etcd.records("v1/mdc")
    assert card["card_json"]["runtime_config"]["taints"] == ["canary"]
    assert process.terminate() == 0
