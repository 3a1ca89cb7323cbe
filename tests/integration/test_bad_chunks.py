"""What no engine may yield: that request fails with a message, and the worker serves on."""

import pytest

from support.api import Api, case, failed, finish_reasons, read_text, text_of
from support.launcher import Launcher, Server
from support.processes import all_of

PROMPT = "alpha beta gamma"

CHUNKS = [
    ("none", ["None", "dict"]),
    ("list", ["list", "dict"]),
    ("text", ["str", "dict"]),
    ("no-token-ids", ["token_ids"]),
    ("token-ids-none", ["token_ids", "None"]),
    ("negative-token", ["token_ids", "-1"]),
    ("float-token", ["token_ids", "float"]),
    ("text-token", ["token_ids", "str"]),
    ("float-array", ["token_ids", "1.0", "float"]),
    ("bool-array", ["token_ids", "True", "bool"]),
    ("matrix", ["token_ids", "list", "length 2"]),
    ("negative-array", ["token_ids", "-7"]),
    ("bool-token", ["token_ids", "True"]),
    ("bytes", ["token_ids", "bytes", "a list or an array of integers"]),
    ("large", ["token_ids", "Large", "length 100"]),
    ("huge-token", ["token_ids", str(2**40)]),
    ("unknown-finish", ["finish_reason", "'finished'", "stop", "length"]),
    ("number-finish", ["finish_reason", "int"]),
]


@pytest.fixture(scope="module")
def server(shared: Launcher, model_folder: str) -> Server:
    return shared.serve("chunks:Chunks", "--model-name", model_folder)


def lives_on(server: Server) -> None:
    answer = server.api.complete(PROMPT)
    assert (answer.status, text_of(answer.json).strip()) == (200, PROMPT)
    assert server.process.alive


@pytest.mark.parametrize(("name", "parts"), CHUNKS, ids=[name for name, _ in CHUNKS])
def test_section_12_9_a_bad_chunk_fails_its_request_with_one_clear_message(
    server: Server, name: str, parts: list[str]
) -> None:
    seen = len(server.process.lines)
    answer = server.api.complete(PROMPT, **case(name))
    # The engine's fault, not the client's: never a 400.
    assert answer.status == 500, answer.text
    server.process.wait_for_line(all_of("Chunks", *parts), since=seen)
    lives_on(server)
    # The chunk that follows is not the fault.
    assert "after the terminal" not in "\n".join(server.process.lines[seen:])


def test_a_large_value_is_not_written_out_for_the_message(shared: Launcher, server: Server) -> None:
    assert server.api.complete(PROMPT, **case("large")).status == 500
    assert not shared.latches.is_reached("written")


def test_a_bad_chunk_ends_a_stream_with_an_error(server: Server) -> None:
    with server.api.stream_completion(PROMPT, **case("none")) as stream:
        events = list(stream.events())
    assert failed(events), events
    lives_on(server)


@pytest.mark.parametrize("name", ["no-terminal", "no-chunk"])
def test_section_12_9_a_generator_that_ends_without_a_terminal_chunk_is_incomplete(
    server: Server, name: str
) -> None:
    seen = len(server.process.lines)
    answer = server.api.complete(PROMPT, **case(name))
    # That of StreamIncomplete; a frontend with migration tries another worker.
    assert answer.status == 503, answer.text
    server.process.wait_for_line(all_of("Chunks", "terminal", "finish_reason"), since=seen)
    lives_on(server)


def test_nothing_after_the_terminal_chunk_reaches_the_client_and_the_log_says_so(
    server: Server,
) -> None:
    with server.api.stream_completion(PROMPT, **case("second-terminal")) as stream:
        text, chunks = read_text(stream)
    assert text.strip() == PROMPT
    assert finish_reasons(chunks) == ["stop"]
    server.process.wait_for_line(all_of("Chunks", "after the terminal"))
    lives_on(server)


def test_a_generate_that_returns_no_chunk_is_named(launcher: Launcher, model_folder: str) -> None:
    server = launcher.serve("chunks:NoGenerator", "--model-name", model_folder)
    assert server.api.complete(PROMPT).status == 500
    server.process.wait_for_line(all_of("NoGenerator", "type int", "yield", "list of chunks"))
    assert server.process.alive
    assert server.process.terminate() == 0
    assert "was never awaited" not in server.process.output


@pytest.mark.parametrize("name", ["none", "no-terminal"])
def test_a_program_of_ones_own_that_sets_up_no_log_is_told_too(
    launcher: Launcher, model_folder: str, name: str
) -> None:
    port = launcher.ports.reserve()
    program = launcher.script("worker", "chunks:Chunks", str(port), model_folder)
    program.wait_for_line("state Serving")
    assert Api(port).complete(PROMPT, **case(name)).status >= 500
    assert program.terminate() == 0
    assert "Chunks" in program.stderr
