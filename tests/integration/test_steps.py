"""Engines with a step loop: one push for all requests, from a thread of the engine's."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from support.api import case, failed, finish_reasons, read_text, text_of
from support.engines.steps_rules import EXPECTED, REQUESTS
from support.launcher import Launcher, Server
from support.processes import all_of

PROMPT = "alpha beta gamma delta"


@pytest.fixture(params=["Stepped", "Packed", "Numpy", "PackedNumpy"])
def server(request: pytest.FixtureRequest, launcher: Launcher, model_folder: str) -> Server:
    return launcher.serve(f"stepped:{request.param}", "--model-name", model_folder)


def left(launcher: Launcher, server: Server) -> Any:
    assert server.process.terminate() == 0
    return json.loads(launcher.latches.reached("left"))


def test_many_requests_share_the_steps(launcher: Launcher, server: Server) -> None:
    prompts = [f"{PROMPT} {number}" for number in range(40)]
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(server.api.complete, prompts))
    assert [text_of(answer.json).strip() for answer in answers] == prompts
    usage = answers[0].json["usage"]
    assert usage["completion_tokens"] == usage["prompt_tokens"]
    assert left(launcher, server) == {"open": 0, "cancelled": []}


def test_a_stream_ends_with_its_finish_reason(server: Server) -> None:
    with server.api.stream_completion(PROMPT) as stream:
        text, chunks = read_text(stream)
    assert text.strip() == PROMPT
    assert finish_reasons(chunks) == ["stop"]


def test_a_chunk_of_any_shape_can_be_pushed(server: Server) -> None:
    answer = server.api.complete(PROMPT, **case("chunk"))
    assert answer.json["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("what", ["raises", "negative", "typo"])
def test_an_error_is_that_of_its_request_alone(server: Server, what: str) -> None:
    with ExitStack() as stack:
        good = stack.enter_context(server.api.stream_completion(PROMPT))
        bad = stack.enter_context(server.api.stream_completion(PROMPT, **case(what)))
        assert failed(list(bad.events()))
        assert read_text(good)[0].strip() == PROMPT
    assert text_of(server.api.complete(PROMPT).json).strip() == PROMPT


def test_what_an_engine_fails_a_request_with_is_in_the_log_once_with_its_traceback(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("stepped:Stepped", "--model-name", model_folder)
    answer = server.api.complete(PROMPT, **case("caught"))
    assert answer.status >= 500
    server.process.wait_for_line(r"^LookupError: no such page in the cache")
    server.process.wait_for_line(r"request (\S+): Stepped failed request_id=\1$")
    assert server.process.terminate() == 0
    assert server.process.output.count("raise LookupError") == 1
    assert server.process.output.count("Stepped failed") == 1


def test_one_error_of_many_requests_has_one_traceback(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("stepped:Doomed", "--model-name", model_folder)
    with ThreadPoolExecutor(3) as clients:
        answers = list(clients.map(server.api.complete, [PROMPT] * 3))
    assert [answer.status for answer in answers] == [500] * 3
    server.process.wait_for_line(r"request \S+, \S+, \S+: Doomed failed")
    assert server.process.terminate() == 0
    assert server.process.output.count("raise LookupError") == 1


@pytest.mark.parametrize(
    ("what", "said"), [("negative", "-1 (of type int)"), ("typo", "'alpha' (of type str)")]
)
def test_an_entry_that_is_refused_is_told_of_by_the_engine_s_class(
    launcher: Launcher, model_folder: str, what: str, said: str
) -> None:
    server = launcher.serve("stepped:Stepped", "--model-name", model_folder)
    answer = server.api.complete(PROMPT, **case(what))
    assert answer.status == 500
    server.process.wait_for_line(all_of("ERROR", "Stepped: yielded a chunk", "token_ids", said))


def test_what_is_no_entry_keeps_nothing_from_the_others(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("stepped:Careless", "--model-name", model_folder)
    with server.api.stream_completion(PROMPT, max_tokens=100_000, **case("endless")) as stream:
        stream.first_text()
        assert text_of(server.api.complete(PROMPT).json).strip() == PROMPT
    # The report that the refused step swallowed is that of the next one.
    launcher.latches.reached("cancelled")
    assert "step: entry 0 is 'nothing'" in launcher.latches.reached("refused")
    server.process.wait_for_line("ERROR.*step: entry .* is a value of type tuple, of length 5")
    told = left(launcher, server)
    assert (told["open"], len(told["cancelled"])) == (0, 1)


def test_the_engine_learns_in_its_push_who_hung_up(launcher: Launcher, server: Server) -> None:
    with server.api.stream_completion(PROMPT, max_tokens=100_000, **case("endless")) as stream:
        stream.first_text()
    launcher.latches.reached("cancelled")
    told = left(launcher, server)
    assert told["open"] == 0
    assert len(told["cancelled"]) == 1


def test_a_stalled_stream_is_told_until_its_client_reads(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("stepped:Flooding", "--model-name", model_folder)
    with server.api.stream_completion(PROMPT) as stream:
        launcher.latches.reached("stalled")
        assert finish_reasons(read_text(stream)[1]) == ["stop"]
    assert left(launcher, server) == {"open": 0, "cancelled": []}


def test_numbers_that_are_none_are_refused_by_name(launcher: Launcher) -> None:
    code = (
        "import numpy\n"
        "from dynamo_backend_common import InvalidArgument, Steps\n"
        "one, wrong = numpy.array([1]), numpy.array([1, -7])\n"
        "for streams, tokens in [(wrong, wrong), ([1, 2], wrong), (one, [True]), (one, one / 2)]:\n"
        "    try:\n"
        "        Steps().push_packed(streams, tokens)\n"
        "    except InvalidArgument as refused:\n"
        "        print(refused)\n"
    )
    program = launcher.start(sys.executable, "-c", code)
    assert program.wait() == 0
    streams, tokens, flag, half = program.stdout.splitlines()
    assert "streams[1] is -7" in streams
    assert "tokens[1] is -7" in tokens
    assert "tokens[0] is True" in flag
    assert "tokens[0] is 0.5" in half


def test_a_step_may_be_a_generator_that_uses_the_steps_itself(launcher: Launcher) -> None:
    code = (
        "from dynamo_backend_common import Steps\n"
        "steps = Steps()\n"
        "print(steps.push((1, len(steps)) for _ in range(2)))\n"
    )
    program = launcher.start(sys.executable, "-c", code)
    assert program.wait() == 0
    assert "cancelled=[1, 1]" in program.stdout


def test_a_push_tells_who_is_gone_and_who_is_behind(launcher: Launcher, model_folder: str) -> None:
    server = launcher.serve("stepped:Conversing", "--model-name", model_folder)
    with ExitStack() as stack:
        for number in range(REQUESTS - 1):
            body = server.api.body_of_completion(PROMPT, stream=True, **case(str(number)))
            client = server.api.hang_up("completions", body)
            stack.callback(client.close)
        last = server.api.stream_completion(PROMPT, **case(str(REQUESTS - 1)))
        stream = stack.enter_context(last)
        assert stream.first_text()
        stream.leave()
        told = launcher.latches.reached("told")
    assert json.loads(told) == EXPECTED
