"""Tokens that come by vLLM's output socket: an engine of the tests plays both of its ends."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.api import case, failed, finish_reasons, read_text, text_of
from support.launcher import Launcher, Server
from support.system import System

PROMPT = "alpha beta gamma delta"


@pytest.fixture
def server(launcher: Launcher, model_folder: str) -> Server:
    return launcher.serve("cored:Cored", "--model-name", model_folder)


def left(launcher: Launcher, server: Server) -> Any:
    assert server.process.terminate() == 0
    told = json.loads(launcher.latches.reached("left"))
    assert (told.pop("open"), told.pop("expected")) == (0, 0)
    return told


def test_requests_have_their_tokens_and_python_what_its_statistics_need(
    launcher: Launcher, server: Server
) -> None:
    prompts = [f"{PROMPT} {number}" for number in range(40)]
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(server.api.complete, prompts))
    assert [text_of(answer.json).strip() for answer in answers] == prompts
    usages = [answer.json["usage"] for answer in answers]
    assert {usage["prompt_tokens_details"]["cached_tokens"] for usage in usages} == {2}
    told = left(launcher, server)
    assert told["given_up"] == []
    assert told["forwarded"] == 0
    # Of each request the first output and the last, which has no token, are told by themselves.
    assert told["notable"] == 80
    made = sum(usage["completion_tokens"] for usage in usages)
    assert made == sum(usage["prompt_tokens"] for usage in usages)
    assert told["tokens"] == made - 40
    assert 0 < told["records"] < made


def test_what_the_socket_was_not_told_of_goes_by_python(launcher: Launcher, server: Server) -> None:
    prompts = [f"{PROMPT} {number}" for number in range(10)]
    cases = [case("by-python" if number % 2 else "") for number in range(10)]
    with ThreadPoolExecutor(10) as clients:
        complete = lambda prompt, options: server.api.complete(prompt, **options)  # noqa: E731
        answers = list(clients.map(complete, prompts, cases))
    assert [text_of(answer.json).strip() for answer in answers] == prompts
    told = left(launcher, server)
    assert told["forwarded"] > 0
    assert told["notable"] == 10


@pytest.mark.parametrize("candidates", [3, 100])
def test_log_probabilities_are_those_of_the_core(server: Server, candidates: int) -> None:
    answer = server.api.complete(PROMPT, logprobs=5, **case(f"logprobs{candidates}"))
    told = answer.json["choices"][0]["logprobs"]
    assert set(told["token_logprobs"]) == {-1.5}
    for position in told["top_logprobs"]:
        assert len(position) == candidates
        best = sorted(position.values(), reverse=True)
        assert best[:3] == [-0.5, -1.5, -2.5 if candidates > 3 else -9999.0]


def test_a_client_that_leaves_is_aborted_in_the_core(launcher: Launcher, server: Server) -> None:
    with server.api.stream_completion(PROMPT, max_tokens=100_000, **case("endless")) as stream:
        stream.first_text()
    launcher.latches.reached("given-up")
    told = left(launcher, server)
    assert len(told["given_up"]) == 1
    assert told["forwarded"] == 0


@pytest.mark.parametrize(
    ("what", "aborted", "told"),
    [
        ("error", 0, "ERROR.*as where a KV cache could not be loaded"),
        ("guided-error", 0, "ERROR.*no token that it had fits the guided decoding"),
        ("unreadable", 1, "ERROR.*an output whose 'new_token_ids' cannot be read"),
    ],
)
def test_an_error_is_that_of_its_request_alone(
    launcher: Launcher, server: Server, what: str, aborted: int, told: str
) -> None:
    with server.api.stream_completion(PROMPT, **case(what)) as bad:
        assert text_of(server.api.complete(PROMPT).json).strip() == PROMPT
        assert failed(list(bad.events()))
    server.process.wait_for_line(told)
    if aborted:
        launcher.latches.reached("given-up")
    assert len(left(launcher, server)["given_up"]) == aborted


def test_no_stream_goes_on_where_a_message_cannot_be_read(
    launcher: Launcher, server: Server
) -> None:
    with server.api.stream_completion(PROMPT, max_tokens=100_000, **case("endless")) as stream:
        stream.first_text()
        assert server.api.complete(PROMPT, **case("garbage")).status >= 500
        assert failed(list(stream.events()))
    assert text_of(server.api.complete(PROMPT).json).strip() == PROMPT
    told = left(launcher, server)
    assert len(told["given_up"]) == 2
    # As it came.
    assert told["forwarded"] == 1


def test_the_word_that_the_core_is_dead_reaches_vllms_client(server: Server) -> None:
    with server.api.stream_completion(PROMPT, max_tokens=100_000, **case("endless")) as stream:
        stream.first_text()
        assert server.api.complete(PROMPT, **case("dead")).status >= 500
        assert failed(list(stream.events()))


def test_a_stream_ends_with_its_finish_reason(server: Server) -> None:
    with server.api.stream_completion(PROMPT) as stream:
        text, chunks = read_text(stream)
    assert text.strip() == PROMPT
    assert finish_reasons(chunks) == ["stop"]


def test_each_step_publishes_how_full_the_cache_is(launcher: Launcher, model_folder: str) -> None:
    port = launcher.ports.reserve()
    env = {"DYN_SYSTEM_PORT": str(port)}
    server = launcher.serve("cored:Cored", "--model-name", model_folder, env=env)
    assert server.api.complete(PROMPT).status == 200
    lines = System(port).get("/metrics").text.splitlines()
    gauges = {line.split("{")[0]: line.split()[-1] for line in lines}
    assert gauges["dynamo_component_total_blocks"] == "100"
    assert gauges["dynamo_component_gpu_cache_usage_percent"] == "0.5"
    assert gauges["dynamo_component_kv_cache_hit_rate"] == "0.25"


def test_a_child_and_a_socket_that_is_dropped_are_in_nobodys_way(launcher: Launcher) -> None:
    program = launcher.script("output_sockets")
    assert program.wait() == 0, program.output
    assert program.stdout.splitlines() == [
        "behind a child True",
        "behind one that was dropped True",
    ]


def test_what_cannot_be_used_is_refused_by_name(launcher: Launcher) -> None:
    code = (
        "import tempfile\n"
        "import zmq\n"
        "from cored import LAYOUT\n"
        "from dynamo_backend_common import InvalidArgument, Steps\n"
        "from dynamo_backend_common._core import OutputSocket\n"
        "folder = tempfile.mkdtemp()\n"
        "other = zmq.Context().socket(zmq.PULL)\n"
        "other.bind(f'ipc://{folder}/taken')\n"
        "wrong = LAYOUT | {'EngineCoreOutput': ['request_id']}\n"
        "for layout, address, to in [\n"
        "    (wrong, f'ipc://{folder}/a', f'ipc://{folder}/b'),\n"
        "    (LAYOUT, 'nowhere', f'ipc://{folder}/b'),\n"
        "    (LAYOUT, f'ipc://{folder}/a', 'nowhere'),\n"
        "    (LAYOUT, f'ipc://{folder}/taken', f'ipc://{folder}/b'),\n"
        "]:\n"
        "    try:\n"
        "        OutputSocket(Steps(), layout, address=address, forward_to=to, statistics=True)\n"
        "    except InvalidArgument as refused:\n"
        "        print(refused)\n"
    )
    program = launcher.start(sys.executable, "-c", code)
    assert program.wait() == 0
    layout, address, forward, taken = program.stdout.splitlines()
    assert layout == "layout: EngineCoreOutput has no field 'new_token_ids'"
    assert address.startswith("nowhere: ")
    assert forward.startswith("nowhere: ")
    assert taken.endswith("/taken: another socket is bound to it")
