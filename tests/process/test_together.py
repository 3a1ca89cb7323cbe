"""Several workers in one process: one owner of signals, a place in discovery for each."""

import signal
import time
from collections.abc import Mapping

import pytest

from dynamo_backend_common import InvalidArgument, run
from support.api import Api, text_of
from support.launcher import NOTHING, Launcher
from support.processes import Process, until

PROMPT = "alpha beta gamma"


def together(
    launcher: Launcher, model: str, when: str, *kinds: str, env: Mapping[str, str] = NOTHING
) -> tuple[Process, Api]:
    port = launcher.ports.reserve()
    program = launcher.script("together", str(port), model, when, *kinds, env=env)
    return program, Api(port)


def all_serve(program: Process, count: int) -> None:
    for number in range(count):
        program.wait_for_line(f"worker {number} Serving")


def test_two_workers_of_one_name_share_the_requests(launcher: Launcher, model_folder: str) -> None:
    program, api = together(launcher, model_folder, "all", "numbered", "numbered")
    all_serve(program, 2)
    ids = {launcher.latches.reached(f"start-{number}") for number in (0, 1)}
    assert len(ids) == 2

    def both_served() -> bool:
        assert text_of(api.complete(PROMPT).json).strip() == PROMPT
        return all(launcher.latches.is_reached(f"served-{number}") for number in (0, 1))

    until(both_served, "both workers serve requests of one frontend")
    assert program.terminate() == 0
    assert "reasons signal signal" in program.stdout
    assert "states Stopped Stopped" in program.stdout
    for number in (0, 1):
        assert launcher.latches.is_reached(f"cleanup-{number}")


def test_section_12_1_ctrl_c_is_graceful_for_a_python_and_a_rust_engine_in_one_process(
    launcher: Launcher, model_folder: str
) -> None:
    program, api = together(launcher, model_folder, "all", "numbered", "rust")
    all_serve(program, 2)
    assert text_of(api.complete(PROMPT).json).strip() == PROMPT
    program.send(signal.SIGINT)
    assert program.wait() == 0
    assert "reasons signal signal" in program.stdout
    assert launcher.latches.is_reached("cleanup-0")


def test_when_one_ends_all_do(launcher: Launcher, model_folder: str) -> None:
    program, _ = together(launcher, model_folder, "all", "numbered", "numbered")
    all_serve(program, 2)
    launcher.latches.release("end-1")
    assert program.wait() == 0
    assert "states Stopped Stopped" in program.stdout
    for number in (0, 1):
        assert launcher.latches.is_reached(f"cleanup-{number}")


def test_when_one_ends_the_others_go_on_if_told_so(launcher: Launcher, model_folder: str) -> None:
    program, api = together(launcher, model_folder, "one", "numbered", "numbered")
    all_serve(program, 2)
    launcher.latches.release("end-1")
    program.wait_for_line("worker 1 Stopped")
    for _ in range(4):
        assert text_of(api.complete(PROMPT).json).strip() == PROMPT
    assert not launcher.latches.is_reached("cleanup-0")
    assert program.terminate() == 0
    assert launcher.latches.is_reached("cleanup-0")


def test_section_12_3_the_deadline_of_one_that_ended_does_not_end_the_others(
    launcher: Launcher, model_folder: str
) -> None:
    program, api = together(
        launcher,
        model_folder,
        "one",
        "numbered",
        "numbered",
        env={"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "1"},
    )
    all_serve(program, 2)
    launcher.latches.release("end-1")
    program.wait_for_line("worker 1 Stopped")
    past_its_deadline = time.monotonic() + 2
    while time.monotonic() < past_its_deadline:
        assert text_of(api.complete(PROMPT).json).strip() == PROMPT
    assert program.terminate() == 0


def test_an_error_of_one_ends_all_and_is_raised_with_its_cause(
    launcher: Launcher, model_folder: str
) -> None:
    program, _ = together(launcher, model_folder, "all", "numbered", "fails")
    program.wait_for_line("worker 0 Serving")
    launcher.latches.release("fail")
    assert program.wait() == 0
    raised = program.wait_for_line("^raised (.*)").group(1)
    assert "worker 1 has no weights" in raised
    assert "RuntimeError" in raised
    for number in (0, 1):
        assert launcher.latches.is_reached(f"cleanup-{number}")


def test_bad_arguments_are_named() -> None:
    with pytest.raises(InvalidArgument, match="workers: "):
        run()
