"""What a signal does to requests in flight, and what ends a shutdown that does not end."""

import json
import signal
import time
from contextlib import ExitStack

import pytest

from support.api import Api, Stream, failed, finish_reasons, read_text
from support.launcher import Launcher
from support.processes import Process

PROMPT = "alpha beta gamma delta"
STREAMS = 4


def gated(launcher: Launcher, model_folder: str) -> tuple[Process, Api]:
    """A worker whose streams wait after their first token."""
    port = launcher.ports.reserve()
    program = launcher.script("worker", "lifecycles:Gated", str(port), model_folder)
    program.wait_for_line("state Serving")
    return program, Api(port)


def begin(stack: ExitStack, api: Api) -> tuple[Stream, str]:
    """A stream in flight, with the text that came already."""
    stream = stack.enter_context(api.stream_completion(PROMPT))
    return stream, stream.first_text()


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
def test_streams_in_flight_finish_on_sigterm(
    launcher: Launcher, model_folder: str, again: bool
) -> None:
    program, api = gated(launcher, model_folder)
    with ExitStack() as stack:
        streams = [begin(stack, api) for _ in range(STREAMS)]
        program.send(signal.SIGTERM)
        program.wait_for_line("state Draining")
        if again:
            program.send(signal.SIGTERM)
        launcher.latches.release("go")
        for stream, first in streams:
            rest, chunks = read_text(stream)
            assert (first + rest).strip() == PROMPT
            assert finish_reasons(chunks) == ["stop"]
    assert program.wait() == 0
    report = json.loads(program.wait_for_line("^report (.*)").group(1))
    assert (report["finished"], report["cut"]) == (STREAMS, 0)
    assert f"waiting for {STREAMS} requests in flight" in program.output
    assert "drained" in program.output
    assert launcher.latches.is_reached("cleanup")


def test_a_stream_that_does_not_finish_is_cut_and_the_exit_status_says_so(
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


def test_a_second_ctrl_c_forces_the_exit(launcher: Launcher, model_folder: str) -> None:
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


@pytest.mark.parametrize("engine", ["CleanupHangs", "CleanupHoldsTheGil"])
def test_a_cleanup_that_does_not_end_is_ended_by_the_deadline(
    launcher: Launcher, model_folder: str, engine: str
) -> None:
    server = launcher.serve(
        f"lifecycles:{engine}",
        "--model-name",
        model_folder,
        env={"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "1"},
    )
    server.process.send(signal.SIGTERM)
    assert server.process.wait() == 143
    assert launcher.latches.is_reached("cleanup")
    words = [line for line in server.process.stderr.splitlines() if "911" in line]
    assert len(words) == 1
    assert "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT" in words[0]
    assert "143" in words[0]


@pytest.mark.parametrize(
    ("engine", "stage", "message"),
    [
        ("CleanupRaises", "cleanup", "the cleanup failed"),
        ("DrainRaises", "drain", "the drain failed"),
    ],
)
def test_a_hook_that_fails_in_shutdown_is_reported_and_the_shutdown_succeeds(
    launcher: Launcher, model_folder: str, engine: str, stage: str, message: str
) -> None:
    port = launcher.ports.reserve()
    program = launcher.script("worker", f"lifecycles:{engine}", str(port), model_folder)
    program.wait_for_line("state Serving")
    assert program.terminate() == 0
    report = json.loads(program.wait_for_line("^report (.*)").group(1))
    [(failed, why)] = report["failures"]
    assert failed.lower() == stage
    assert message in why
    assert message in program.stderr
    assert launcher.latches.is_reached("cleanup")
