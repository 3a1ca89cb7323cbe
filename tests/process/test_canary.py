"""Section 8: the health canary, its payload, and what it says about readiness."""

import json
import signal

import pytest

from support.launcher import Launcher
from support.processes import Process, until
from support.system import System, becomes_not_ready, becomes_ready, instances, serve

CANARY = {
    "DYN_HEALTH_CHECK_ENABLED": "true",
    "DYN_CANARY_WAIT_TIME": "1",
    "DYN_HEALTH_CHECK_REQUEST_TIMEOUT": "1",
}
PAYLOAD = {"token_ids": [7]}


def watched(
    launcher: Launcher, engine: str, *options: str, env: dict[str, str] | None = None
) -> tuple[Process, System]:
    return serve(launcher, f"lively:{engine}", *options, env=CANARY | (env or {}))


def probe_of(launcher: Launcher) -> dict[str, object]:
    probe: dict[str, object] = json.loads(launcher.latches.reached("probe"))
    return probe


def begun(system: System) -> int:
    count: int = system.control("probes").json["begun"]
    return count


def under_way(system: System) -> int:
    probes = system.control("probes").json
    count: int = probes["begun"] - probes["finished"]
    return count


def reason(system: System) -> str:
    status, health = system.health()
    assert status == 503
    assert health["status"] == "notready"
    [worker] = health["workers"]
    return str(worker["reason"])


def test_section_8_a_worker_is_ready_once_a_probe_was_answered(launcher: Launcher) -> None:
    process, system = watched(launcher, "Probed")
    becomes_ready(system)
    probe = probe_of(launcher)
    assert probe["_HEALTH_CHECK"] is True
    assert probe["token_ids"] == [1, 2]
    before = begun(system)
    until(lambda: begun(system) > before + 1, "the engine is probed again and again")
    until(
        lambda: system.control("probes").json["finished"] >= before,
        "the generators of answered probes are finished",
    )
    assert process.terminate() == 0
    # A probe is no request: nothing was waited for, and nothing finished or was cut.
    assert "drained: 0 requests finished, none was cut" in process.stderr


def test_section_8_a_wedged_engine_is_not_ready_but_live_and_recovers(launcher: Launcher) -> None:
    _, system = watched(launcher, "Probed")
    becomes_ready(system)
    launcher.latches.release("wedged")
    becomes_not_ready(system)
    assert "canary" in reason(system)
    assert system.is_live()
    assert len(instances(launcher)) == 1
    launcher.latches.withdraw("wedged")
    becomes_ready(system)
    until(lambda: under_way(system) <= 1, "the probes that were given up are finished")


def test_section_8_a_first_token_is_no_answer(launcher: Launcher) -> None:
    _, system = watched(launcher, "Probed")
    becomes_ready(system)
    launcher.latches.release("halting")
    becomes_not_ready(system)
    assert "canary" in reason(system)
    launcher.latches.withdraw("halting")
    becomes_ready(system)


@pytest.mark.parametrize("engine", ["BlocksItsThread", "Shielded", "Stepping"])
def test_section_8_a_probe_that_does_not_let_go_is_the_only_one(
    launcher: Launcher, engine: str
) -> None:
    process, system = watched(launcher, engine)
    becomes_ready(system)
    launcher.latches.release("wedged")
    launcher.latches.reached("wedges")
    becomes_not_ready(system)
    # Two more were due, and not sent.
    since = len(process.lines)
    for _ in range(2):
        process.wait_for_line("not let go of the probe", since=since)
        since = len(process.lines)
    assert under_way(system) == 1
    launcher.latches.withdraw("wedged")
    becomes_ready(system)
    assert process.terminate() == 0
    # The end of one that was refused is not that of the one before it.
    assert "did not end after its last chunk" not in process.output


def test_section_8_a_probe_that_an_idle_step_loop_let_go_of_is_not_the_last(
    launcher: Launcher,
) -> None:
    _, system = watched(launcher, "Forgets")
    becomes_ready(system)
    launcher.latches.release("wedged")
    launcher.latches.reached("wedges")
    becomes_not_ready(system)
    launcher.latches.withdraw("wedged")
    becomes_ready(system)


def test_section_12_8_live_answers_while_the_event_loop_is_blocked(launcher: Launcher) -> None:
    _, system = watched(launcher, "HoldsTheLoop")
    becomes_ready(system)
    launcher.latches.release("wedged")
    becomes_not_ready(system)
    assert system.is_live()
    assert system.get("/metrics").status == 200
    launcher.latches.withdraw("wedged")
    becomes_ready(system)


def test_section_8_a_failing_engine_is_not_ready(launcher: Launcher) -> None:
    launcher.latches.release("failing")
    process, system = watched(launcher, "Probed")
    process.wait_for_line("a probe's failure")
    assert "canary" in reason(system)
    launcher.latches.withdraw("failing")
    becomes_ready(system)


def test_section_8_an_error_inside_a_chunk_is_unhealthy(launcher: Launcher) -> None:
    process, system = watched(launcher, "ErrorInAChunk")
    launcher.latches.reached("probe")
    process.wait_for_line("inside a chunk")
    assert "canary" in reason(system)


def test_section_8_a_sleeping_engine_is_not_probed(launcher: Launcher) -> None:
    _, system = watched(launcher, "Probed")
    becomes_ready(system)
    assert system.control("sleep").status == 200
    before = begun(system)
    assert "control" in reason(system)
    # A probe would wedge, and its failure would outlast the sleep.
    launcher.latches.release("wedged")
    launcher.latches.withdraw("probe")
    # Longer than the canary's own time: what must not happen cannot be waited for otherwise.
    with pytest.raises(AssertionError, match="never"):
        until(lambda: begun(system) > before, "the engine is probed", patience=2.5)
    launcher.latches.withdraw("wedged")
    assert system.control("wake_up").status == 200
    becomes_ready(system)
    launcher.latches.reached("probe")


def test_section_8_a_probe_ends_when_shutdown_begins(launcher: Launcher) -> None:
    process, system = watched(launcher, "Probed", env={"DYN_HEALTH_CHECK_REQUEST_TIMEOUT": "600"})
    becomes_ready(system)
    launcher.latches.release("wedged")
    launcher.latches.reached("wedges")
    assert under_way(system) > 0
    process.send(signal.SIGTERM)
    # Neither waited for nor cut: the exit status would be 3.
    assert process.wait() == 0
    assert launcher.latches.reached("cleanup-with") == "0 probes"
    assert "drained: 0 requests finished, none was cut" in process.stderr


def test_section_8_the_abort_of_a_probe_ends_before_the_engine_does(launcher: Launcher) -> None:
    process, system = watched(launcher, "AbortsForLong")
    becomes_ready(system)
    launcher.latches.release("wedged")
    launcher.latches.reached("aborts")
    assert process.terminate() == 0
    assert launcher.latches.reached("drain-with") == "0 aborts"


def test_section_8_the_configured_payload_comes_first(launcher: Launcher) -> None:
    options = ("--health-check-payload", json.dumps(PAYLOAD | {"_HEALTH_CHECK": False}))
    _, system = watched(launcher, "Probed", *options, env={"DYN_HEALTH_CHECK_PAYLOAD": "{}"})
    becomes_ready(system)
    probe = probe_of(launcher)
    assert (probe["token_ids"], probe["_HEALTH_CHECK"]) == ([7], True)
    assert not launcher.latches.is_reached("asked")


@pytest.mark.parametrize("form", ["{}", "@"])
def test_section_8_the_variable_comes_before_the_engine(launcher: Launcher, form: str) -> None:
    value = json.dumps(PAYLOAD)
    if form == "@":
        path = launcher.folder / "payload.json"
        path.write_text(value)
        value = f"@{path}"
    _, system = watched(launcher, "Probed", env={"DYN_HEALTH_CHECK_PAYLOAD": value})
    becomes_ready(system)
    assert probe_of(launcher)["token_ids"] == [7]
    assert not launcher.latches.is_reached("asked")


@pytest.mark.parametrize("value", ["nope", "[1]", "@/no/such/file"])
def test_section_8_a_bad_variable_is_a_warning_and_the_engine_is_asked(
    launcher: Launcher, value: str
) -> None:
    process, system = watched(launcher, "Probed", env={"DYN_HEALTH_CHECK_PAYLOAD": value})
    process.wait_for_line("WARN.*DYN_HEALTH_CHECK_PAYLOAD is ignored")
    becomes_ready(system)
    assert probe_of(launcher)["token_ids"] == [1, 2]


@pytest.mark.parametrize("engine", ["NoObject", "PayloadRaises"])
def test_section_8_an_engine_without_a_usable_payload_is_ready_without_a_canary(
    launcher: Launcher, engine: str
) -> None:
    process, system = watched(launcher, engine)
    becomes_ready(system)
    process.wait_for_line(r"WARN.*health_check_payload")
