"""Section 8: what the canary leaves alone, and what holds whatever Python does."""

import os
import re
import time
from http import HTTPStatus

from support.api import Api, read_text
from support.launcher import Launcher
from support.processes import PATIENCE, until
from support.system import System, becomes_not_ready, becomes_ready, serve

PERIODS = 200
IN_FLIGHT = "dynamo_component_worker_requests_in_flight"
REQUESTS = "dynamo_component_requests_total"


def canary(wait: int, timeout: int = 1) -> dict[str, str]:
    """The canary on, with its two times in seconds."""
    return {
        "DYN_HEALTH_CHECK_ENABLED": "true",
        "DYN_CANARY_WAIT_TIME": str(wait),
        "DYN_HEALTH_CHECK_REQUEST_TIMEOUT": str(timeout),
    }


def with_traffic(
    launcher: Launcher, model_folder: str, *, wait: int, engine: str = "Ready"
) -> tuple[Api, System]:
    """A worker with a frontend and a system server."""
    system = System(launcher.ports.reserve())
    env = canary(wait) | {"DYN_SYSTEM_PORT": str(system.port)}
    server = launcher.serve(f"lively:{engine}", "--model-name", model_folder, env=env)
    return server.api, system


def begun(system: System) -> int:
    count: int = system.control("probes").json["begun"]
    return count


def metric(system: System, name: str) -> float:
    """The sum of a metric's series."""
    lines = system.get("/metrics").text.splitlines()
    values = [line.rsplit(" ", 1)[1] for line in lines if line.startswith((name + "{", name + " "))]
    return sum(float(value) for value in values)


def test_section_8_an_idle_worker_never_flaps_and_probes_are_no_requests(
    launcher: Launcher,
) -> None:
    # One probe after the other.
    process, system = serve(launcher, "lively:Ready", env=canary(0, timeout=60))
    becomes_ready(system)
    enough = begun(system) + PERIODS
    seen: list[int] = []
    while len(seen) < PERIODS or begun(system) < enough:
        seen += [system.health()[0], system.get("/live").status]
        assert metric(system, IN_FLIGHT) == 0
    assert set(seen) == {HTTPStatus.OK}
    assert metric(system, REQUESTS) == 0
    assert "Health check" not in re.sub("INFO.*", "", process.stderr)
    assert process.terminate() == 0
    assert "drained: 0 requests finished, none was cut" in process.stderr


def test_section_8_a_worker_that_answers_is_not_probed(
    launcher: Launcher, model_folder: str
) -> None:
    wait = 2
    api, system = with_traffic(launcher, model_folder, wait=wait)
    becomes_ready(system)
    launcher.latches.release("enough")
    before, since = begun(system), time.monotonic()
    longest_gap = 0.0
    last = since
    while last < since + 3 * wait:
        api.complete("alpha beta")
        longest_gap, last = max(longest_gap, time.monotonic() - last), time.monotonic()
        assert system.is_ready()
    assert begun(system) == before or longest_gap > wait / 2
    assert metric(system, REQUESTS) > 1
    until(lambda: begun(system) > before, "the idle worker is probed again")


def test_section_8_a_worker_becomes_ready_by_traffic_before_its_first_probe(
    launcher: Launcher, model_folder: str
) -> None:
    api, system = with_traffic(launcher, model_folder, wait=600)
    assert not system.is_ready()
    launcher.latches.release("enough")
    with api.stream_completion("alpha beta") as stream:
        read_text(stream)
    becomes_ready(system)
    assert begun(system) == 0


def test_section_8_traffic_that_gets_its_first_token_only_does_not_hold_the_probe_off(
    launcher: Launcher, model_folder: str
) -> None:
    api, system = with_traffic(launcher, model_folder, wait=2, engine="Halting")
    becomes_ready(system)
    launcher.latches.release("halting")
    end = time.monotonic() + PATIENCE
    while system.is_ready():
        assert time.monotonic() < end, "never: the worker is not ready"
        with api.stream_completion("alpha beta") as stream:
            assert stream.first_text()
    assert "canary" in reason(system)
    # A request that finishes shows that it is well again.
    launcher.latches.withdraw("halting")
    with api.stream_completion("alpha beta") as stream:
        read_text(stream)
    becomes_ready(system)


def test_section_12_11_nothing_of_a_run_with_the_canary_is_left(launcher: Launcher) -> None:
    program = launcher.script("canary_runs", env=canary(0))
    assert program.wait() == 0, program.output
    assert "engines left: 0, bridges: 0" in program.stdout
    # The runtime's own canary, whose tasks never end, was not there.
    assert "Health check" not in program.output


def test_section_12_8_live_answers_while_python_holds_the_gil(launcher: Launcher) -> None:
    os.mkfifo(launcher.folder / "latches" / "fifo")
    _, system = serve(launcher, "lively:HoldsTheGil", env=canary(1))
    becomes_ready(system)
    launcher.latches.release("wedged")
    launcher.latches.reached("holding")
    becomes_not_ready(system)
    for _ in range(20):
        assert system.is_live()
        assert not system.is_ready()
        assert system.get("/metrics").status == HTTPStatus.OK
    launcher.latches.withdraw("wedged")
    (launcher.folder / "latches" / "fifo").write_bytes(b"!")
    becomes_ready(system)


def test_section_7_sleep_goes_before_the_canary_and_both_are_told_apart(
    launcher: Launcher,
) -> None:
    _, system = serve(launcher, "lively:Probed", env=canary(1))
    becomes_ready(system)
    launcher.latches.release("wedged")
    becomes_not_ready(system)
    assert "canary" in reason(system)
    assert system.control("sleep").status == HTTPStatus.OK
    assert "control" in reason(system)
    launcher.latches.withdraw("wedged")
    assert system.control("wake_up").status == HTTPStatus.OK
    becomes_ready(system)
    assert system.is_live()


def test_section_8_a_configured_payload_that_is_no_object_is_told_and_disables_the_canary(
    launcher: Launcher,
) -> None:
    system = System(launcher.ports.reserve())
    program = launcher.script("no_object", env=canary(0) | {"DYN_SYSTEM_PORT": str(system.port)})
    program.wait_for_line("WARN.*health_check_payload is an array, not an object.*canary is off")
    until(system.listens, "the system server listens")
    becomes_ready(system)
    # Neither was the engine asked for another one, nor is it probed.
    assert not launcher.latches.is_reached("asked")
    assert begun(system) == 0
    assert program.terminate() == 0


def reason(system: System) -> str:
    [worker] = system.health()[1]["workers"]
    return str(worker["reason"])
