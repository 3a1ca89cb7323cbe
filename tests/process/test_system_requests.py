"""Who may call a control, and what slow, large and many clients of the system server get."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from support.launcher import Launcher
from support.ports import LOOPBACK
from support.processes import PATIENCE
from support.system import Answer, System, instances, serve

EVIL = {"Origin": "http://evil.example"}
TOKEN = "a secret of the tests"


def refused(answer: Answer, status: int, *parts: str) -> None:
    assert answer.status == status, answer.text
    assert answer.json["status"] == "error"
    for part in parts:
        assert part in answer.json["message"], answer.text


def talk(system: System, text: str) -> socket.socket:
    """A connection on which ``text`` has been sent."""
    connection = socket.create_connection((LOOPBACK, system.port), PATIENCE)
    connection.sendall(text.replace("\n", "\r\n").encode())
    return connection


def rest(connection: socket.socket) -> str:
    """What comes until the other side closes."""
    with connection, connection.makefile("rb") as stream:
        return stream.read().decode()


@pytest.mark.parametrize(
    "headers",
    [
        EVIL | {"Content-Type": "text/plain"},
        EVIL | {"Content-Type": "application/json"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Content-Type": "application/json"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
    ids=str,
)
def test_fault_38_no_web_page_of_elsewhere_puts_a_worker_to_sleep(
    launcher: Launcher, headers: dict[str, str]
) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    for path in ("/engine/sleep", "/engine/control/sleep", "/engine/dynamo.backend.generate/sleep"):
        refused(system.request("POST", path, b"{}", headers), 403, "another origin")
    assert len(instances(launcher)) == 1
    assert system.control("state").json["calls"] == 0
    # Probes and metrics are anybody's.
    for path in ("/live", "/health", "/metrics"):
        assert system.request("GET", path, headers=headers).status == 200


def test_fault_38_who_has_the_token_may_come_from_anywhere(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper", env={"DYN_SYSTEM_TOKEN": TOKEN})
    refused(System(system.port).request("POST", "/engine/sleep", b"{}", EVIL), 401)
    assert len(instances(launcher)) == 1
    assert system.request("POST", "/engine/sleep", b"{}", EVIL).status == 200
    assert instances(launcher) == []


def test_fault_38_a_page_of_this_servers_own_is_none_of_elsewhere(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    for host in (f"{LOOPBACK}:{system.port}", f"localhost:{system.port}"):
        own = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert system.request("POST", "/engine/state", b"{}", own).status == 200


def test_fault_38_controls_take_json_only(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")

    def state(kind: str) -> Answer:
        return system.request("POST", "/engine/state", b'{"a": 1}', {"Content-Type": kind})

    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        refused(state(kind), 415, "Content-Type: application/json")
    for kind in ("application/json", "Application/JSON; charset=utf-8", "application/x+json"):
        assert state(kind).json["body"] == {"a": 1}
    # As `curl -X POST` asks.
    assert system.request("POST", "/engine/state").json["body"] == {}


def test_fault_39_the_token_is_looked_at_before_the_body_is_read(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper", env={"DYN_SYSTEM_TOKEN": TOKEN})
    # Nothing of the body is ever sent.
    answer = rest(talk(system, "POST /engine/sleep HTTP/1.1\nHost: a\nContent-Length: 9\n\n"))
    assert answer.startswith("HTTP/1.1 401 ")


def test_fault_39_a_body_that_is_too_large_is_told_so_in_json(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    for size in (3_000_000, 30_000_000):
        refused(system.control("sleep", b" " * size), 413, "larger than 2097152 bytes")
    assert len(instances(launcher)) == 1
    large = {"text": "a" * 1_000_000}
    assert system.control("state", large).json["body"] == large


def test_fault_39_slow_clients_are_not_waited_for(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    silent = talk(system, "")
    head = talk(system, "GET /live HTTP/1.1\nHost: a\nX-Slow: ")
    body = talk(system, "POST /engine/sleep HTTP/1.1\nHost: a\nContent-Length: 9\n\n{")
    kept = talk(system, "GET /live HTTP/1.1\nHost: a\n\n")
    assert rest(silent) == ""
    assert rest(head) == ""
    assert rest(kept).startswith("HTTP/1.1 200 ")
    status, _, answer = rest(body).partition("\r\n\r\n")
    assert status.startswith("HTTP/1.1 408 ")
    assert json.loads(answer)["status"] == "error"
    assert len(instances(launcher)) == 1


def test_fault_39_a_crowd_keeps_no_probe_out_and_no_control_from_its_answer(
    launcher: Launcher,
) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        sleeping = pool.submit(system.control, "sleep", {"reach": "halfway", "pass": "on"})
        launcher.latches.reached("halfway")
        for text in ("", "GET /metrics HTTP/1.1\nHost: a\n", "POST /engine/sleep HTTP/1.1\n") * 100:
            stack.enter_context(talk(system, text))
        assert system.is_live()
        assert system.get("/metrics").status == 200
        launcher.latches.release("on")
        assert sleeping.result().status == 200
