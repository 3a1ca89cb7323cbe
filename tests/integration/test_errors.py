"""What an engine raises reaches the client as its kind; the traceback is in the worker's log."""

import re
from collections.abc import Iterator

import pytest

from support.api import case, failed
from support.launcher import Launcher, Server
from support.processes import all_of

PROMPT = "alpha beta gamma"

STATUS = {
    "InvalidArgument": 400,
    "CannotConnect": 503,
    "Disconnected": 503,
    "EngineShutdown": 503,
    "StreamIncomplete": 503,
    "ConnectionTimeout": 504,
    "ResponseTimeout": 504,
    "Cancelled": 499,
    "Unknown": 500,
}
"""What Dynamo's frontend answers for an error of a kind."""

BUILT_IN = {
    "ValueError": "InvalidArgument",
    "UnicodeError": "InvalidArgument",
    "TimeoutError": "ConnectionTimeout",
    "ConnectionRefusedError": "CannotConnect",
    "ConnectionResetError": "Disconnected",
    "BrokenPipeError": "Disconnected",
    "CancelledError": "Cancelled",
    "RuntimeError": "Unknown",
    "KeyError": "Unknown",
    "SystemExit": "Unknown",
    "KeyboardInterrupt": "Unknown",
}

UNNAMED_BY_THE_FRONTEND = {"Unknown", "Cancelled"}
"""Kinds that have a status of their own, and no line in the frontend's log that names them."""


@pytest.fixture(scope="module")
def server(shared: Launcher, model_folder: str) -> Iterator[Server]:
    """A worker that ends well in the end, whatever its engine raised."""
    served = shared.serve(
        "raising:Raising",
        "--model-name",
        model_folder,
        # The frontend answers with a status alone; its log says which kind it was.
        env={"DYN_LOG": "info,dynamo_llm::http=debug"},
    )
    yield served
    assert served.process.terminate() == 0


@pytest.mark.parametrize(
    ("raised", "kind"), [*BUILT_IN.items(), *((kind, kind) for kind in STATUS)]
)
def test_an_exception_is_an_error_of_its_kind(server: Server, raised: str, kind: str) -> None:
    seen = len(server.process.lines)
    answer = server.api.complete(PROMPT, **case(raised))
    assert answer.status == STATUS[kind], answer.text
    if kind not in UNNAMED_BY_THE_FRONTEND:
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
        server.process.wait_for_line(rf"\bbackend\.{snake}\b", since=seen)
    assert server.process.alive
    assert server.api.complete(PROMPT).status == 200


@pytest.mark.parametrize("raised", ["RuntimeError", "KeyError", "ValueError", "SystemExit"])
def test_section_12_5_the_traceback_is_in_the_log(server: Server, raised: str) -> None:
    seen = len(server.process.lines)
    server.api.complete(PROMPT, **case(f"{raised}-later"))
    server.process.wait_for_line(rf"\b{raised}: .*asked to raise {raised}-later", since=seen)
    for part in ("Traceback (most recent call last)", "raising.py", "raise kind("):
        server.process.wait_for_line(all_of(part), since=seen)


@pytest.mark.parametrize("raised", ["Disconnected", "InvalidArgument"])
def test_an_error_with_a_kind_is_in_the_log_too(server: Server, raised: str) -> None:
    seen = len(server.process.lines)
    server.api.complete(PROMPT, **case(f"{raised}-later"))
    server.process.wait_for_line(
        all_of("Raising", raised, f"asked to raise {raised}-later"), since=seen
    )


@pytest.mark.parametrize("raised", ["ValueError", "RuntimeError", "EngineShutdown", "SystemExit"])
def test_an_exception_in_the_middle_of_a_stream_ends_it_with_an_error(
    server: Server, raised: str
) -> None:
    with server.api.stream_completion(PROMPT, **case(f"{raised}-later")) as stream:
        assert stream.status == 200
        assert stream.first_text()
        events = list(stream.events())
    assert failed(events), events
    assert server.api.complete(PROMPT).status == 200


def test_a_generate_that_fails_before_there_is_a_stream(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("raising:RaisingBeforeAStream", "--model-name", model_folder)
    assert server.api.complete(PROMPT, **case("refuse")).status == 400
    server.process.wait_for_line("refused before there is a stream")
    assert server.api.complete(PROMPT).status == 200
