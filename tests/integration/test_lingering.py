"""What goes on after its last chunk is cancelled in a moment, and nothing is left of it."""

import pytest

from support.api import case, text_of
from support.launcher import Launcher, Server
from support.processes import all_of

PROMPT = "alpha beta gamma"
LOG = "did not end after its last chunk"


def answered(server: Server, **options: object) -> None:
    answer = server.api.complete(PROMPT, **options)
    assert (answer.status, text_of(answer.json).strip()) == (200, PROMPT)


@pytest.fixture
def server(of_loop: Launcher, model_folder: str, loop: str) -> Server:
    return of_loop.serve("lingering:Lingering", "--model-name", model_folder, "--loop", loop)


def test_a_generator_is_cancelled_once_and_told_of(of_loop: Launcher, server: Server) -> None:
    for name in ("terminal", "finally", "stubborn"):
        answered(server, **case(name))
        assert of_loop.latches.reached(f"{name}-ended") == "CancelledError"
    for _ in range(3):
        server.process.wait_for_line(all_of("Lingering", LOG))
    assert server.api.complete(PROMPT, **case("refused")).status == 500
    assert of_loop.latches.reached("refused-ended") == "GeneratorExit"
    answered(server)
    assert server.process.terminate() == 0
    assert server.process.output.count(LOG) == 3
    assert of_loop.latches.reached("left") == "0"
    assert "did not end when cancelled" not in server.process.output


@pytest.mark.parametrize("engine", ["Iterating", "Stepping"])
def test_whatever_has_the_chunks(launcher: Launcher, model_folder: str, engine: str) -> None:
    server = launcher.serve(f"lingering:{engine}", "--model-name", model_folder)
    answered(server, **case("terminal"))
    assert launcher.latches.reached("terminal-ended") == "CancelledError"
    server.process.wait_for_line(all_of(engine, LOG))
    assert server.process.terminate() == 0
    assert launcher.latches.reached("left") == "0"


def test_the_end_of_the_run_waits_for_no_moment_and_leaves_nothing(
    of_loop: Launcher, server: Server
) -> None:
    # One in its last moment, and one whose `finally` nothing has interrupted until now.
    assert server.api.complete(PROMPT, **case("stubborn-at-the-end")).status == 500
    of_loop.latches.reached("stubborn-at-the-end-waits")
    answered(server, **case("terminal-late"))
    of_loop.latches.reached("terminal-late-waits")
    assert not of_loop.latches.is_reached("stubborn-at-the-end-ended")
    of_loop.latches.withdraw("left")
    assert server.process.terminate() == 0
    for name in ("terminal-late", "stubborn-at-the-end"):
        assert of_loop.latches.reached(f"{name}-ended") == "CancelledError"
    assert of_loop.latches.reached("left") == "0"
    assert "did not end when cancelled" not in server.process.output


def test_a_generator_that_heeds_no_cancellation_does_not_hold_up_the_end(
    of_loop: Launcher, server: Server
) -> None:
    answered(server, **case("heedless"))
    of_loop.latches.reached("heedless-waits")
    assert server.process.terminate() == 0
    assert "1 generators did not end when cancelled" in server.process.output


def test_cleanup_waits_for_a_thread_that_is_inside_generate(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("lingering:Threaded", "--model-name", model_folder)
    with server.api.stream_completion(PROMPT, **case("inside")) as stream:
        launcher.latches.reached("inside-waits")
        stream.leave()
        launcher.latches.reached("aborted")
    # Its client has all of the answer, and its thread goes on.
    answered(server, **case("after"))
    request = launcher.latches.reached("after-waits")
    server.process.wait_for_line(all_of(request, "Threaded", LOG, "nothing can interrupt"))
    assert server.process.terminate() == 0
    assert launcher.latches.reached("cleanup") == "0"
    assert "did not let go" not in server.process.output
