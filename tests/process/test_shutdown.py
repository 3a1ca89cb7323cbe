"""What a signal does to requests in flight, and what ends a shutdown that does not end."""

import json
import signal
import time
from contextlib import ExitStack

import pytest

from support.api import Api, failed
from support.launcher import Launcher
from support.processes import Process, all_of
from support.streams import begin, finishes

STREAMS = 4


def gated(launcher: Launcher, model_folder: str) -> tuple[Process, Api]:
    """A worker whose streams wait after their first token."""
    port = launcher.ports.reserve()
    program = launcher.script("worker", "lifecycles:Gated", str(port), model_folder)
    program.wait_for_line("state Serving")
    return program, Api(port)


def test_section_12_2_streams_in_flight_finish_on_sigterm(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("lifecycles:Gated", "--model-name", model_folder)
    with ExitStack() as stack:
        streams = [begin(stack, server.api) for _ in range(STREAMS)]
        server.process.send(signal.SIGTERM)
        server.process.wait_for_line(f"waiting for {STREAMS} requests in flight")
        launcher.latches.release("go")
        for stream, first in streams:
            finishes(stream, first)
    assert server.process.wait() == 0
    server.process.wait_for_line(f"drained: {STREAMS} requests finished, none was cut")
    assert launcher.latches.is_reached("cleanup")


def test_section_12_1_a_second_sigterm_changes_nothing(
    launcher: Launcher, model_folder: str
) -> None:
    program, api = gated(launcher, model_folder)
    with ExitStack() as stack:
        streams = [begin(stack, api) for _ in range(STREAMS)]
        program.send(signal.SIGTERM)
        program.wait_for_line("state Draining")
        # A second SIGINT would force the exit only after this time.
        time.sleep(1.2)
        program.send(signal.SIGTERM)
        launcher.latches.release("go")
        for stream, first in streams:
            finishes(stream, first)
    assert program.wait() == 0
    report = json.loads(program.wait_for_line("^report (.*)").group(1))
    assert (report["finished"], report["cut"]) == (STREAMS, 0)


def test_section_12_2_a_stream_that_does_not_finish_is_cut_and_the_exit_status_says_so(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve(
        "lifecycles:Gated",
        "--model-name",
        model_folder,
        env={"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "4"},
    )
    with ExitStack() as stack:
        stream, _ = begin(stack, server.api)
        server.process.send(signal.SIGTERM)
        assert failed(list(stream.events()))
        assert server.process.wait() == 3
    assert "1 request was cut" in server.process.stderr
    assert launcher.latches.is_reached("cleanup")


def test_section_12_1_a_second_ctrl_c_forces_the_exit(
    launcher: Launcher, model_folder: str
) -> None:
    program, api = gated(launcher, model_folder)
    with ExitStack() as stack:
        begin(stack, api)
        program.send(signal.SIGINT)
        program.wait_for_line("state Draining")
        # Not an order of events but the contract's own limit: an earlier one is the same keypress.
        time.sleep(1.2)
        program.send(signal.SIGINT)
        assert program.wait() == 130
    assert not launcher.latches.is_reached("cleanup")


FAILING_HOOKS = [
    ("CleanupRaises", "cleanup", "the cleanup failed"),
    ("DrainRaises", "drain", "the drain failed"),
]


def test_section_5_a_drain_whose_time_is_up_has_ended_when_cleanup_begins(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve(
        "lifecycles:DrainHangs",
        "--model-name",
        model_folder,
        env={"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "2"},
    )
    assert server.process.terminate() == 0
    assert launcher.latches.is_reached("drain")
    assert launcher.latches.is_reached("after-drain")
    assert not launcher.latches.is_reached("beside-drain")


@pytest.mark.parametrize(("engine", "stage", "message"), FAILING_HOOKS)
def test_section_5_a_hook_that_fails_in_shutdown_is_in_the_report_of_a_success(
    launcher: Launcher, model_folder: str, engine: str, stage: str, message: str
) -> None:
    port = launcher.ports.reserve()
    program = launcher.script("worker", f"lifecycles:{engine}", str(port), model_folder)
    program.wait_for_line("state Serving")
    assert program.terminate() == 0
    report = json.loads(program.wait_for_line("^report (.*)").group(1))
    [(failed_stage, why)] = report["failures"]
    assert failed_stage == stage
    assert message in why
    assert launcher.latches.is_reached("cleanup")


@pytest.mark.parametrize(("engine", "stage", "message"), FAILING_HOOKS)
def test_section_5_a_hook_that_fails_in_shutdown_is_in_the_log(
    launcher: Launcher, model_folder: str, engine: str, stage: str, message: str
) -> None:
    server = launcher.serve(f"lifecycles:{engine}", "--model-name", model_folder)
    assert server.process.terminate() == 0
    server.process.wait_for_line(all_of(stage, message))
    for part in ("Traceback (most recent call last)", f'raise RuntimeError("{message}")'):
        assert part in server.process.stderr
