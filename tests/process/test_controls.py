"""Section 7 and 12.6: engine controls, discovery and the engine in agreement whatever happens."""

import random
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.launcher import Launcher
from support.processes import until
from support.system import Answer, System, instances, serve

PAIRS = [
    ("sleep", "wake_up"),
    ("release_memory_occupation", "resume_memory_occupation"),
    ("pause_generation", "resume_generation"),
]


def is_asleep(system: System) -> bool:
    asleep: bool = system.control("state").json["asleep"]
    return asleep


def succeeded(answer: Answer) -> None:
    assert (answer.status, answer.json.get("status")) == (200, "ok"), answer.text


def failed(answer: Answer, status: int, *parts: str) -> None:
    assert answer.status == status, answer.text
    assert answer.json["status"] == "error"
    for part in parts:
        assert part in answer.json["message"], answer.text


@pytest.mark.parametrize(("sleep", "wake_up"), PAIRS)
def test_section_7_a_worker_leaves_discovery_before_it_sleeps_and_returns_after_it_woke(
    launcher: Launcher, sleep: str, wake_up: str
) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    assert len(instances(launcher)) == 1
    with ThreadPoolExecutor() as pool:
        sleeping = pool.submit(system.control, sleep, {"reach": "sleeping", "pass": "sleep-on"})
        launcher.latches.reached("sleeping")
        assert instances(launcher) == []
        launcher.latches.release("sleep-on")
        succeeded(sleeping.result())
        assert is_asleep(system)

        waking = pool.submit(system.control, wake_up, {"reach": "waking", "pass": "wake-on"})
        launcher.latches.reached("waking")
        assert instances(launcher) == []
        launcher.latches.release("wake-on")
        succeeded(waking.result())
    assert len(instances(launcher)) == 1
    assert not is_asleep(system)


def test_section_7_both_forms_of_a_route_act(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper", "--endpoint", "answer")
    full = "dynamo.backend.answer"
    for form in ("{}", "control/{}", full + "/{}", "control/" + full + "/{}"):
        succeeded(system.control(form.format("sleep")))
        assert is_asleep(system)
        succeeded(system.control(form.format("wake_up")))
        assert not is_asleep(system)


def test_section_7_an_unknown_control_is_told_the_supported_ones(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    failed(system.control("slumber"), 404, "slumber", "sleep", "wake_up")
    failed(system.control("other.backend.generate/sleep"), 404, "sleep")
    assert len(instances(launcher)) == 1


def test_section_7_an_engine_without_controls_says_so(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Uncontrolled")
    failed(system.control("sleep"), 404, "no engine here supports any")


def test_section_7_bodies(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    assert system.control("state").json["body"] == {}
    assert system.control("state", [1, None]).json["body"] == [1, None]
    failed(system.control("sleep", b"{level: 1}"), 400, "JSON")
    bodies: tuple[object, ...] = ([], "level", 1, None)
    for body in bodies:
        answer = system.control("sleep", body)
        failed(answer, 200, "engine control request body must be a JSON object")
    assert not is_asleep(system)
    assert system.control("state").json["calls"] == 0
    assert len(instances(launcher)) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_section_12_6_no_control_acts_on_another_method(launcher: Launcher, method: str) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    for route in ("sleep", "control/sleep", "dynamo.backend.generate/sleep"):
        answer = system.request(method, f"/engine/{route}")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        if method != "HEAD":
            failed(answer, 405, "POST")
    assert system.control("state").json["calls"] == 0
    assert len(instances(launcher)) == 1


def test_section_7_an_engine_that_fails_to_sleep_stays_out_of_discovery(launcher: Launcher) -> None:
    process, system = serve(launcher, "controlled:Sleeper")
    failed(system.control("sleep", {"raise": "no memory to move to"}), 500, "no memory to move to")
    process.wait_for_line("stays unregistered")
    assert instances(launcher) == []
    answer = system.control("sleep", {"reply": {"status": "Error", "message": "busy"}})
    assert (answer.status, answer.json) == (200, {"status": "Error", "message": "busy"})
    assert instances(launcher) == []
    assert not system.is_ready()
    succeeded(system.control("wake_up"))
    assert len(instances(launcher)) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"reply": {"status": "ERROR", "message": "not yet"}},
        {"reply": {"success": False}},
        {"reply": {"status": "ok", "is_sleeping": True}, "is_sleeping": True},
    ],
)
def test_section_7_a_reply_that_says_no_does_not_register(
    launcher: Launcher, body: dict[str, object]
) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    succeeded(system.control("sleep"))
    answer = system.control("wake_up", body)
    assert (answer.status, answer.json) == (200, body["reply"])
    assert instances(launcher) == []
    assert not system.is_ready()
    succeeded(system.control("wake_up"))
    assert len(instances(launcher)) == 1


def test_section_7_an_engine_that_raises_changes_nothing_more(launcher: Launcher) -> None:
    process, system = serve(launcher, "controlled:Sleeper")
    succeeded(system.control("sleep"))
    failed(
        system.control("wake_up", {"raise": "the weights are gone"}), 500, "the weights are gone"
    )
    assert instances(launcher) == []
    # Another thread reads what the process writes, and may be behind the answer.
    process.wait_for_line(r"Traceback \(most recent call last\)")
    succeeded(system.control("wake_up"))
    assert len(instances(launcher)) == 1


def test_section_7_sleeping_and_waking_again_and_again_is_no_failure(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    for control, expected in [("wake_up", 1), ("sleep", 0), ("sleep", 0), ("wake_up", 1)]:
        succeeded(system.control(control))
        assert len(instances(launcher)) == expected
    assert system.control("state").json["calls"] == 4


def test_section_7_many_callers_leave_discovery_and_engine_in_agreement(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    order = random.Random(7)
    calls = [control for pair in PAIRS for control in pair] * 20
    for _ in range(3):
        order.shuffle(calls)
        with ThreadPoolExecutor(8) as pool:
            for answer in pool.map(system.control, calls):
                succeeded(answer)
        assert is_asleep(system) == (instances(launcher) == [])
        assert is_asleep(system) == (not system.is_ready())


@pytest.mark.parametrize(
    ("control", "asleep"), [("sleep", True), ("wake_up", False)], ids=["sleep", "wake_up"]
)
def test_section_12_6_a_caller_that_hangs_up_leaves_no_half_state(
    launcher: Launcher, control: str, asleep: bool
) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    if not asleep:
        succeeded(system.control("sleep"))
    caller = system.hang_up_on(control, {"reach": "halfway", "pass": "on"})
    launcher.latches.reached("halfway")
    caller.close()
    # Another one waits for it, whoever listens.
    with ThreadPoolExecutor() as pool:
        opposite = "wake_up" if asleep else "sleep"
        waiting = pool.submit(system.control, opposite, {"reach": "next"})
        assert system.is_live()
        assert not launcher.latches.is_reached("next")
        launcher.latches.release("on")
        succeeded(waiting.result())
    assert is_asleep(system) != asleep
    assert is_asleep(system) == (instances(launcher) == [])
    succeeded(system.control(control))
    assert is_asleep(system) == asleep == (instances(launcher) == [])


def test_section_12_6_a_sleep_whose_caller_left_is_finished(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    leave_halfway(launcher, system, "sleep")
    until(lambda: is_asleep(system), "the engine sleeps")
    assert instances(launcher) == []
    succeeded(system.control("wake_up"))
    assert len(instances(launcher)) == 1


def test_section_12_6_a_wake_up_whose_caller_left_is_finished(launcher: Launcher) -> None:
    _, system = serve(launcher, "controlled:Sleeper")
    succeeded(system.control("sleep"))
    leave_halfway(launcher, system, "wake_up")
    until(lambda: len(instances(launcher)) == 1, "the worker is back in discovery")
    assert not is_asleep(system)
    assert system.is_ready()


def leave_halfway(launcher: Launcher, system: System, control: str) -> None:
    caller = system.hang_up_on(control, {"reach": "halfway", "pass": "on"})
    launcher.latches.reached("halfway")
    caller.close()
    # Answered after the server has seen the caller go.
    assert system.is_live()
    launcher.latches.release("on")


def test_section_7_a_frontend_sends_nothing_to_a_worker_that_sleeps(
    launcher: Launcher, model_folder: str
) -> None:
    port = launcher.ports.reserve()
    server = launcher.serve(
        "controlled:Sleeper", "--model-name", model_folder, env={"DYN_SYSTEM_PORT": str(port)}
    )
    system = System(port)

    def status() -> int:
        return server.api.complete("alpha beta", model=server.model).status

    assert status() == 200
    succeeded(system.control("sleep"))
    # The card stays: no worker is there, but the model is known.
    until(lambda: status() != 200, "nothing is sent any more")
    assert status() == 503
    succeeded(system.control("wake_up"))
    until(lambda: status() == 200, "requests come again")


def test_a_worker_that_sleeps_is_shut_down_without_a_failure(launcher: Launcher) -> None:
    process, system = serve(launcher, "controlled:Sleeper")
    succeeded(system.control("sleep"))
    process.send(signal.SIGTERM)
    assert process.wait() == 0
    assert launcher.latches.is_reached("cleanup")
    # The runtime's own line on a file that is gone comes in every shutdown.
    ours = [line for line in process.stderr.splitlines() if "dynamo_backend" in line]
    assert [line for line in ours if "WARN" in line or "ERROR" in line] == []


def test_controls_are_refused_in_shutdown_and_undo_nothing(launcher: Launcher) -> None:
    process, system = serve(launcher, "controlled:CleanupWaits")
    process.send(signal.SIGTERM)
    launcher.latches.reached("drain")
    assert instances(launcher) == []
    for control in ("sleep", "wake_up", "resume_generation", "state"):
        failed(system.control(control), 200, control, "is shutting down")
    assert instances(launcher) == []
    assert system.is_live()
    assert not system.is_ready()
    launcher.latches.release("drain-go")
    assert process.wait() == 0


@pytest.mark.parametrize("control", ["sleep", "wake_up"])
def test_a_control_at_work_when_shutdown_begins_does_not_undo_it(
    launcher: Launcher, control: str
) -> None:
    process, system = serve(launcher, "controlled:CleanupWaits")
    if control == "wake_up":
        succeeded(system.control("sleep"))
    with ThreadPoolExecutor() as pool:
        call = pool.submit(system.control, control, {"reach": "halfway", "pass": "on"})
        launcher.latches.reached("halfway")
        late = pool.submit(system.control, "wake_up")
        process.send(signal.SIGTERM)
        process.wait_for_line("Shutdown begins")
        launcher.latches.release("on")
        if control == "wake_up":
            failed(call.result(), 200, "does not return to discovery")
        else:
            succeeded(call.result())
        failed(late.result(), 200, "is shutting down")
    launcher.latches.reached("drain")
    assert instances(launcher) == []
    launcher.latches.release("drain-go")
    assert process.wait() == 0


@pytest.mark.parametrize("control", ["sleep", "flush"])
def test_an_engine_is_drained_when_its_controls_are_over(launcher: Launcher, control: str) -> None:
    process, system = serve(launcher, "controlled:DrainsAlone")
    caller = system.hang_up_on(control, {"reach": "halfway", "pass": "on"})
    launcher.latches.reached("halfway")
    process.send(signal.SIGTERM)
    process.wait_for_line("Shutdown stage begins.*drain")
    launcher.latches.release("on")
    assert process.wait() == 0
    assert launcher.latches.is_reached("drain")
    assert not launcher.latches.is_reached("beside")
    caller.close()


def test_a_control_that_hangs_does_not_hold_the_shutdown_up(launcher: Launcher) -> None:
    process, system = serve(
        launcher, "controlled:Sleeper", env={"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "6"}
    )
    caller = system.hang_up_on("sleep", {"reach": "halfway", "pass": "never"})
    launcher.latches.reached("halfway")
    process.send(signal.SIGTERM)
    process.wait_for_line("an engine control or update was still at work")
    assert process.wait() == 0
    assert launcher.latches.is_reached("cleanup")
    caller.close()


def test_section_12_6_a_token_is_required_of_controls_alone(launcher: Launcher) -> None:
    token = "correct horse battery staple"
    process, system = serve(launcher, "controlled:Sleeper", env={"DYN_SYSTEM_TOKEN": token})
    anybody = System(system.port)
    for path in ("/live", "/health", "/metrics"):
        assert anybody.get(path).status == 200
    wrong = [{}, {"Authorization": f"Bearer {token}."}, {"Authorization": f"Basic {token}"}]
    for headers in wrong:
        answer = anybody.request("POST", "/engine/sleep", headers=headers)
        failed(answer, 401, "Authorization: Bearer")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert anybody.request("GET", "/engine/no-such-control").status == 401
    assert len(instances(launcher)) == 1
    succeeded(system.control("sleep"))
    assert instances(launcher) == []
    assert process.terminate() == 0
    assert token not in process.output
