"""Section 12.4: a worker whose records are gone from discovery against its will."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest

from support.processes import until
from support.servers import Etcd
from support.system import System, becomes_not_ready, becomes_ready, serve

if TYPE_CHECKING:
    from pathlib import Path

    from support.launcher import Launcher


def records(launcher: Launcher, kind: str = "*") -> list[Path]:
    """The records of file discovery: ``instances``, ``mdc``, or all."""
    found = (launcher.folder / "discovery" / "v1").glob(f"{kind}/*generate*")
    return sorted(path for path in found if not path.name.startswith(".tmp_"))


@pytest.mark.parametrize("kind", ["instances", "mdc", "*"])
def test_section_12_4_records_that_are_removed_come_back(launcher: Launcher, kind: str) -> None:
    process, system = serve(launcher, "plain:Plain")
    becomes_ready(system)
    before = records(launcher)
    assert len(before) == 2
    for record in records(launcher, kind):
        record.unlink()
    process.wait_for_line("not in discovery: its ")
    until(lambda: records(launcher) == before, "the records are back")
    becomes_ready(system)
    assert process.terminate() == 0
    assert records(launcher) == []


def test_the_card_comes_back_when_frontends_have_heard_of_the_instance(launcher: Launcher) -> None:
    env = {"DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "1"}
    _, system = serve(launcher, "plain:Plain", env=env)
    becomes_ready(system)
    for record in records(launcher):
        record.unlink()
    until(lambda: records(launcher, "instances") != [], "the instance is back")
    # A frontend that hears of it now has the time to hear of it in every place.
    time.sleep(0.1)
    assert records(launcher, "mdc") == []
    becomes_ready(system)


def test_section_12_4_a_worker_that_stood_still_is_ready_only_where_it_is_found(
    launcher: Launcher,
) -> None:
    stopped, system = serve(launcher, "plain:Plain")
    own = records(launcher)
    assert len(own) == 2
    peer, _ = serve(launcher, "plain:Plain")
    becomes_ready(system)
    stopped.send(signal.SIGSTOP)
    # For longer than what it saw last holds.
    time.sleep(5.5)
    then = time.time() - 3600
    for record in own:
        os.utime(record, (then, then))
    until(lambda: not any(record.exists() for record in own), "its peer removed them")
    stopped.send(signal.SIGCONT)
    until(lambda: is_found_if_ready(system, own), "the worker is ready again")
    assert [process.terminate() for process in (stopped, peer)] == [0, 0]


def is_found_if_ready(system: System, own: list[Path]) -> bool:
    ready = system.is_ready()
    assert not ready or all(record.exists() for record in own), "ready, and nobody finds it"
    return ready


@pytest.mark.parametrize(
    ("engine", "removed"), [("plain:Plain", "discovery"), ("loaded:Loaded", "discovery/v1/*")]
)
def test_section_12_4_what_cannot_be_registered_again_ends_the_worker(
    launcher: Launcher, engine: str, removed: str
) -> None:
    process, system = serve(launcher, engine)
    becomes_ready(system)
    # The folder; or all records, with what makes known where the worker's load is published.
    for path in launcher.folder.glob(removed):
        if removed == "discovery":
            shutil.rmtree(path)
            continue
        for file in path.iterdir():
            file.unlink()
    becomes_not_ready(system)
    assert process.wait() == 1
    assert "discovery was lost" in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.output


def test_section_12_4_keys_that_are_deleted_in_etcd_come_back(launcher: Launcher) -> None:
    etcd = Etcd(launcher)
    etcd.start()
    env = {"DYN_DISCOVERY_BACKEND": "etcd", "ETCD_ENDPOINTS": etcd.url}
    process, system = serve(launcher, "plain:Plain", "--discovery-backend", "etcd", env=env)
    becomes_ready(system)
    before = etcd.keys()
    etcd.delete()
    process.wait_for_line("not in discovery: its ")
    until(lambda: etcd.keys() == before, "the keys are back")
    becomes_ready(system)
    assert process.terminate() == 0
    assert etcd.keys() == []


def test_section_7_what_a_control_took_out_of_discovery_stays_out(launcher: Launcher) -> None:
    process, system = serve(launcher, "controlled:Sleeper")
    becomes_ready(system)
    assert system.control("sleep", {}).status == 200
    for record in records(launcher, "mdc"):
        record.unlink()
    # Two looks later.
    time.sleep(2.5)
    assert records(launcher) == []
    assert "engine control" in system.health()[1]["workers"][0]["reason"]
    assert system.control("wake_up", {}).status == 200
    until(lambda: len(records(launcher)) == 2, "both records are there")
    becomes_ready(system)
    assert process.terminate() == 0
