"""Section 7 where discovery fails: what a control that could not change it leaves, and mends."""

from collections.abc import Callable

import pytest

from support.launcher import Launcher
from support.processes import Process, until
from support.servers import Etcd
from support.system import SERVING, System


@pytest.fixture
def etcd(launcher: Launcher) -> Etcd:
    etcd = Etcd(launcher)
    etcd.start()
    return etcd


@pytest.fixture
def worker(launcher: Launcher, etcd: Etcd) -> tuple[Process, System]:
    port = launcher.ports.reserve()
    process = launcher.command(
        "serve",
        "controlled:Sleeper",
        env={
            "DYN_DISCOVERY_BACKEND": "etcd",
            "DYN_SYSTEM_PORT": str(port),
            "ETCD_ENDPOINTS": etcd.url,
            "ETCD_LEASE_TTL": "60",
            # A connection on which nothing answers is given up after 1 + 1 seconds.
            "ETCD_KEEPALIVE_INTERVAL_SECONDS": "1",
            "ETCD_KEEPALIVE_TIMEOUT_SECONDS": "1",
        },
    )
    process.wait_for_line(SERVING)
    return process, System(port)


def calls(system: System) -> int:
    count: int = system.control("state").json["calls"]
    return count


UNTOUCHED = "the engine was not called"
REPEATABLE = "the same call can safely be repeated"


def repeated(system: System, control: str, refusal: str, done: Callable[[], bool]) -> None:
    """Repeats a control until etcd is back; each answer before that keeps what it promises."""
    before = calls(system)
    ready = system.is_ready()

    def succeeds() -> bool:
        answer = system.control(control)
        assert answer.status == 200, answer.text
        if answer.json["status"] == "ok":
            return True
        assert refusal in answer.json["message"]
        assert system.is_ready() == ready
        if refusal == UNTOUCHED:
            assert calls(system) == before
        return False

    until(succeeds, f"{control} has its effect")
    assert done()


def test_section_7_sleep_and_wake_up_are_seen_in_etcd(
    etcd: Etcd, worker: tuple[Process, System]
) -> None:
    process, system = worker
    [instance] = etcd.instances()
    cards = etcd.cards()
    assert system.control("sleep").json["status"] == "ok"
    assert (etcd.instances(), etcd.cards()) == ([], cards)
    assert system.control("wake_up").json["status"] == "ok"
    assert (etcd.instances(), etcd.cards()) == ([instance], cards)
    assert system.control("sleep").json["status"] == "ok"
    assert process.terminate() == 0
    assert etcd.keys() == []


def test_section_7_where_unregistering_fails_the_engine_is_not_touched(
    etcd: Etcd, worker: tuple[Process, System]
) -> None:
    _, system = worker
    etcd.kill()
    answer = system.control("sleep")
    assert (answer.status, answer.json["status"]) == (200, "error")
    assert UNTOUCHED in answer.json["message"]
    assert calls(system) == 0
    assert system.is_ready()
    assert system.is_live()
    etcd.start()
    repeated(system, "sleep", UNTOUCHED, lambda: etcd.instances() == [])
    assert not system.is_ready()
    repeated(system, "wake_up", REPEATABLE, lambda: len(etcd.instances()) == 1)
    assert system.is_ready()


def test_section_7_where_registering_fails_the_call_can_be_repeated(
    etcd: Etcd, worker: tuple[Process, System]
) -> None:
    _, system = worker
    assert system.control("sleep").json["status"] == "ok"
    etcd.kill()
    answer = system.control("wake_up")
    assert (answer.status, answer.json["status"]) == (200, "error")
    assert REPEATABLE in answer.json["message"]
    assert not system.is_ready()
    etcd.start()
    repeated(system, "wake_up", REPEATABLE, lambda: len(etcd.instances()) == 1)
    assert system.is_ready()
