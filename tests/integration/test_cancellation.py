"""A client that leaves reaches the generator, wherever that is, and the engine's `abort`."""

from collections.abc import Iterator

import pytest

from support.api import case, text_of
from support.launcher import Launcher, Server

PROMPT = "alpha beta gamma"


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def shared(loop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """For each kind of loop another: the engine reaches the same latches in both."""
    with Launcher(tmp_path_factory.mktemp(loop)) as started:
        yield started


@pytest.fixture(scope="module")
def server(shared: Launcher, model_folder: str, loop: str) -> Server:
    return shared.serve("abandoned:Abandoned", "--model-name", model_folder, "--loop", loop)


@pytest.fixture(autouse=True)
def _the_worker_lives_on(server: Server) -> object:
    yield
    assert server.process.alive
    answer = server.api.complete(PROMPT)
    assert (answer.status, text_of(answer.json).strip()) == (200, PROMPT)


@pytest.mark.parametrize("name", ["waiting", "polling", "awaiting-stop", "swallowing"])
def test_section_12_10_a_stream_that_is_left_after_its_first_token(
    shared: Launcher, server: Server, name: str
) -> None:
    with server.api.stream_completion(PROMPT, **case(name)) as stream:
        assert stream.first_text()
        shared.latches.reached(f"{name}-started")
        stream.leave()
        ended_with = shared.latches.reached(f"{name}-finally")
    assert ended_with in ("CancelledError", "GeneratorExit", "no exception")
    assert shared.latches.reached(f"{name}-abort") == "True"


@pytest.mark.parametrize("name", ["waiting-slow", "silent-slow", "flooding-slow"])
def test_section_12_10_a_finally_that_takes_its_time_is_not_cancelled_again(
    shared: Launcher, server: Server, name: str
) -> None:
    with server.api.stream_completion(PROMPT, **case(name)) as stream:
        shared.latches.reached(f"{name}-started")
        stream.leave()
    shared.latches.reached(f"{name}-ending")
    shared.latches.reached(f"{name}-abort")
    # By the time that others are served, all there is to tell the generator has been told.
    for _ in range(3):
        assert server.api.complete(PROMPT).status == 200
    shared.latches.release(f"{name}-go")
    assert shared.latches.reached(f"{name}-finally") in ("CancelledError", "GeneratorExit")


def test_section_12_10_a_generator_that_ends_by_itself_when_stopped_is_not_cancelled_in_its_finally(
    shared: Launcher, server: Server
) -> None:
    # Stop and cancellation race: more than one try, so that either is first.
    for name in [f"awaiting-stop-{number}" for number in range(10)]:
        with server.api.stream_completion(PROMPT, **case(name)) as stream:
            assert stream.first_text()
            stream.leave()
            ended_with = shared.latches.reached(f"{name}-finally")
        assert ended_with in ("CancelledError", "no exception")


def test_section_12_10_a_generator_that_never_yields(shared: Launcher, server: Server) -> None:
    with server.api.stream_completion(PROMPT, **case("silent")) as stream:
        shared.latches.reached("silent-started")
        stream.leave()
        assert shared.latches.reached("silent-finally") == "CancelledError"
    assert shared.latches.reached("silent-abort") == "True"


def test_a_request_that_is_no_stream(shared: Launcher, server: Server) -> None:
    body = server.api.body_of_completion(PROMPT, **case("silent-unary"))
    connection = server.api.hang_up("completions", body)
    shared.latches.reached("silent-unary-started")
    connection.close()
    assert shared.latches.reached("silent-unary-finally") == "CancelledError"
    assert shared.latches.reached("silent-unary-abort") == "True"


def test_nothing_of_it_is_left_in_the_log(shared: Launcher, server: Server) -> None:
    assert "never retrieved" not in server.process.output
    assert "Task was destroyed" not in server.process.output
    assert "async generator ignored" not in server.process.output
    assert "was never awaited" not in server.process.output


def test_requests_in_flight_survive_that_another_is_left(shared: Launcher, server: Server) -> None:
    with (
        server.api.stream_completion(PROMPT, **case("waiting-kept")) as kept,
        server.api.stream_completion(PROMPT, **case("silent-left")) as left,
    ):
        assert kept.first_text()
        shared.latches.reached("silent-left-started")
        left.leave()
        shared.latches.reached("silent-left-finally")
        text = "".join(text_of(event.json) for event in kept.events() if event.data != "[DONE]")
    assert not text
    assert shared.latches.reached("waiting-kept-finally") == "no exception"
    assert not shared.latches.is_reached("waiting-kept-abort")


def test_an_engine_without_abort(launcher: Launcher, model_folder: str) -> None:
    other = launcher.serve("abandoned:WithoutAbort", "--model-name", model_folder)
    with other.api.stream_completion(PROMPT, **case("waiting")) as stream:
        assert stream.first_text()
        stream.leave()
        launcher.latches.reached("waiting-finally")
    assert other.api.complete(PROMPT).status == 200
    assert "abort" not in other.process.stderr.replace("WithoutAbort", "")
    assert other.process.terminate() == 0
