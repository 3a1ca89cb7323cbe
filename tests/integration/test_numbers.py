"""Numbers and arrays of other libraries, keys of a newer Dynamo, and others' finish reasons."""

import pytest

from support.api import case, failed, finish_reasons, read_text, text_of
from support.event_plane import discovered
from support.launcher import Launcher, Server
from support.metrics import sample
from support.processes import until
from support.system import serve

pytest.importorskip("numpy")

PROMPT = "alpha beta gamma"
TOKENS = [
    *("int64", "int32", "uint32", "uint64", "uint16", "other byte order", "strides"),
    *("list of scalars", "tuple of scalars", "array", "memoryview", "deque", "indexed"),
]


@pytest.fixture(scope="module")
def server(shared: Launcher, model_folder: str) -> Server:
    return shared.serve("numeric:Numeric", "--model-name", model_folder)


@pytest.mark.parametrize("name", TOKENS)
def test_tokens_may_be_any_integers(server: Server, name: str) -> None:
    answer = server.api.complete(PROMPT, **case(name))
    assert answer.status == 200, answer.text
    assert text_of(answer.json).strip() == PROMPT
    usage = answer.json["usage"]
    assert usage["completion_tokens"] == usage["prompt_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 1


def test_an_array_may_be_empty(server: Server) -> None:
    answer = server.api.complete(PROMPT, **case("empty"))
    assert (answer.status, text_of(answer.json)) == (200, "")


def test_probabilities_may_be_of_any_float(server: Server) -> None:
    answer = server.api.complete(PROMPT, logprobs=1, **case("probabilities"))
    assert answer.status == 200, answer.text
    told = answer.json["choices"][0]["logprobs"]
    assert told["token_logprobs"]
    assert set(told["token_logprobs"]) == {-0.5}
    assert all(set(top.values()) == {-0.5} for top in told["top_logprobs"])


def test_unknown_keys_are_ignored_and_each_is_told_once(server: Server) -> None:
    for _ in range(2):
        answer = server.api.complete(PROMPT, **case("newer"))
        assert answer.status == 200, answer.text
        assert text_of(answer.json).strip() == PROMPT
        assert answer.json["usage"]["total_tokens"] > 0
    for key in ("of_tomorrow", "of_next_week", "completion_usage.of_time"):
        server.process.wait_for_line(f"WARN.*unknown key '{key}'.*Numeric")
        assert server.process.output.count(f"'{key}'") == 1, server.process.output


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sglang stop", "stop"),
        ("sglang text", "stop"),
        ("sglang length", "length"),
        ("enum of str", "stop"),
        ("enum", "length"),
    ],
)
def test_a_finish_reason_may_be_as_others_write_it(server: Server, name: str, reason: str) -> None:
    with server.api.stream_completion(PROMPT, **case(name)) as stream:
        assert finish_reasons(read_text(stream)[1]) == [reason]


@pytest.mark.parametrize("name", ["sglang abort", "vllm abort", "vllm enum"])
def test_an_abort_is_a_cancellation(server: Server, name: str) -> None:
    seen = len(server.process.lines)
    with server.api.stream_completion(PROMPT, **case(name)) as stream:
        events = list(stream.events())
    assert not failed(events)
    assert "finish_reason" not in "\n".join(server.process.lines[seen:])


@pytest.mark.parametrize("name", ["sglang error", "error with a message", "dynamo error"])
def test_an_abort_with_a_status_is_an_error_with_its_message(server: Server, name: str) -> None:
    seen = len(server.process.lines)
    answer = server.api.complete(PROMPT, **case(name))
    assert answer.status == 500, answer.text
    server.process.wait_for_line("ERROR.*no room for it", since=seen)


@pytest.mark.parametrize(("name", "matched"), [("sglang stop", 2), ("sglang text", "omega")])
def test_what_matched_is_the_stop_reason_and_data_may_have_arrays(
    server: Server, name: str, matched: object
) -> None:
    options = case(name)["nvext"] | {"extra_fields": ["stop_reason", "engine_data"]}
    answer = server.api.complete(PROMPT, nvext=options)
    assert answer.status == 200, answer.text
    assert answer.json["nvext"]["stop_reason"] == matched
    assert answer.json["nvext"]["engine_data"] == [0, 1, 2]


def test_what_an_engine_says_of_itself_may_be_such_numbers_too(launcher: Launcher) -> None:
    _, system = serve(launcher, "numeric:Everywhere", "--discovery-backend", "file")
    [card] = discovered(launcher, "mdc", 1)
    told = card["card_json"]
    assert (told["context_length"], told["kv_cache_block_size"]) == (2048, 16)
    runtime = told["runtime_config"]
    assert (runtime["total_kv_blocks"], runtime["data_parallel_start_rank"]) == (100, 1)
    assert runtime["runtime_data"] == {
        "array": [[0, 1], [2, 3]],
        "float": 0.5,
        "flag": True,
        "decimal": 0.25,
        "numbers": [7, 8],
    }
    assert system.control("numbers").json == {"numbers": [1, 2], "rate": 0.5}
    name = "dynamo_component_gpu_cache_usage_percent"
    until(lambda: name in system.get("/metrics").text, "the snapshot is shown")
    assert sample(system.get("/metrics").text, name, dp_rank="1") == 0.4
