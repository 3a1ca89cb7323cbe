"""A client that leaves reaches the generator, wherever that is, and the engine's `abort`."""

import pytest

from support.api import case, text_of
from support.launcher import Launcher, Server

PROMPT = "alpha beta gamma"


@pytest.fixture(scope="module")
def server(of_loop: Launcher, model_folder: str, loop: str) -> Server:
    return of_loop.serve("abandoned:Abandoned", "--model-name", model_folder, "--loop", loop)


@pytest.fixture(autouse=True)
def _the_worker_lives_on(server: Server) -> object:
    yield
    assert server.process.alive
    answer = server.api.complete(PROMPT)
    assert (answer.status, text_of(answer.json).strip()) == (200, PROMPT)


@pytest.mark.parametrize("name", ["waiting", "polling", "awaiting-stop", "swallowing"])
def test_section_12_10_a_stream_that_is_left_after_its_first_token(
    of_loop: Launcher, server: Server, name: str
) -> None:
    with server.api.stream_completion(PROMPT, **case(name)) as stream:
        assert stream.first_text()
        of_loop.latches.reached(f"{name}-started")
        stream.leave()
        ended_with = of_loop.latches.reached(f"{name}-finally")
    assert ended_with in ("CancelledError", "GeneratorExit", "no exception")
    assert of_loop.latches.reached(f"{name}-abort") == "True"


@pytest.mark.parametrize("name", ["waiting-slow", "silent-slow", "flooding-slow"])
def test_section_12_10_a_finally_that_takes_its_time_is_not_cancelled_again(
    of_loop: Launcher, server: Server, name: str
) -> None:
    with server.api.stream_completion(PROMPT, **case(name)) as stream:
        of_loop.latches.reached(f"{name}-started")
        stream.leave()
    of_loop.latches.reached(f"{name}-ending")
    of_loop.latches.reached(f"{name}-abort")
    # By the time that others are served, all there is to tell the generator has been told.
    for _ in range(3):
        assert server.api.complete(PROMPT).status == 200
    of_loop.latches.release(f"{name}-go")
    assert of_loop.latches.reached(f"{name}-finally") in ("CancelledError", "GeneratorExit")


def test_section_12_10_a_generator_that_ends_by_itself_when_stopped_is_not_cancelled_in_its_finally(
    of_loop: Launcher, server: Server
) -> None:
    # Stop and cancellation race: more than one try, so that either is first.
    for name in [f"awaiting-stop-{number}" for number in range(10)]:
        with server.api.stream_completion(PROMPT, **case(name)) as stream:
            assert stream.first_text()
            stream.leave()
            ended_with = of_loop.latches.reached(f"{name}-finally")
        assert ended_with in ("CancelledError", "no exception")


def test_section_12_10_a_generator_that_never_yields(of_loop: Launcher, server: Server) -> None:
    with server.api.stream_completion(PROMPT, **case("silent")) as stream:
        of_loop.latches.reached("silent-started")
        stream.leave()
        assert of_loop.latches.reached("silent-finally") == "CancelledError"
    assert of_loop.latches.reached("silent-abort") == "True"


def test_a_request_that_is_no_stream(of_loop: Launcher, server: Server) -> None:
    body = server.api.body_of_completion(PROMPT, **case("silent-unary"))
    connection = server.api.hang_up("completions", body)
    of_loop.latches.reached("silent-unary-started")
    connection.close()
    assert of_loop.latches.reached("silent-unary-finally") == "CancelledError"
    assert of_loop.latches.reached("silent-unary-abort") == "True"


def test_nothing_of_it_is_left_in_the_log(of_loop: Launcher, server: Server) -> None:
    assert "never retrieved" not in server.process.output
    assert "Task was destroyed" not in server.process.output
    assert "async generator ignored" not in server.process.output
    assert "was never awaited" not in server.process.output


def test_requests_in_flight_survive_that_another_is_left(of_loop: Launcher, server: Server) -> None:
    with (
        server.api.stream_completion(PROMPT, **case("waiting-kept")) as kept,
        server.api.stream_completion(PROMPT, **case("silent-left")) as left,
    ):
        assert kept.first_text()
        of_loop.latches.reached("silent-left-started")
        left.leave()
        of_loop.latches.reached("silent-left-finally")
        text = "".join(text_of(event.json) for event in kept.events() if event.data != "[DONE]")
    assert not text
    assert of_loop.latches.reached("waiting-kept-finally") == "no exception"
    assert not of_loop.latches.is_reached("waiting-kept-abort")


def test_an_engine_without_abort(launcher: Launcher, model_folder: str) -> None:
    other = launcher.serve("abandoned:WithoutAbort", "--model-name", model_folder)
    with other.api.stream_completion(PROMPT, **case("waiting")) as stream:
        assert stream.first_text()
        stream.leave()
        launcher.latches.reached("waiting-finally")
    assert other.api.complete(PROMPT).status == 200
    assert "abort" not in other.process.stderr.replace("WithoutAbort", "")
    assert other.process.terminate() == 0
