"""The bundled engine with its real model, served in one process."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from openai import OpenAI

from support.api import case, finish_reasons, read_text, text_of
from support.launcher import Launcher, Server

pytestmark = pytest.mark.model

QUESTION = "What is the capital of France? Answer with one word."


@pytest.fixture(scope="module")
def server(shared: Launcher) -> Iterator[Server]:
    served = shared.serve("llama-cpp", env={"XDG_CACHE_HOME": str(shared.folder / "cache")})
    yield served
    assert served.process.terminate() == 0
    assert "Traceback" not in served.process.output


def test_it_answers_a_question(server: Server) -> None:
    answer = server.api.chat(("user", QUESTION), temperature=0, max_tokens=32)
    assert answer.status == 200, answer.text
    assert "Paris" in text_of(answer.json)
    assert answer.json["choices"][0]["finish_reason"] in ("stop", "length")
    usage = answer.json["usage"]
    assert usage["prompt_tokens"] > 0
    assert 0 < usage["completion_tokens"] <= 32
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_it_streams_to_the_openai_client(server: Server) -> None:
    with OpenAI(base_url=server.api.url, api_key="none", max_retries=0) as client:
        [model] = [model.id for model in client.models.list()]
        assert model == server.model
        assert "SmolLM2" in model
        stream = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": QUESTION}],
            temperature=0,
            max_tokens=32,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        assert "Paris" in text
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens > 0


def test_two_streams_at_once_are_each_as_if_alone(server: Server) -> None:
    prompts = ["Once upon a time, there was a", "The three primary colours are"]
    options = {"temperature": 0, "max_tokens": 24}
    alone = [text_of(server.api.complete(prompt, **options).json) for prompt in prompts]
    with ExitStack() as stack:
        streams = [
            stack.enter_context(server.api.stream_completion(prompt, **options))
            for prompt in prompts
        ]
        firsts = [stream.first_text() for stream in streams]
        together = []
        for stream, first in zip(streams, firsts, strict=True):
            rest, chunks = read_text(stream)
            together.append(first + rest)
            assert len(finish_reasons(chunks)) == 1
    assert together == alone


def test_max_tokens_ends_with_length(server: Server) -> None:
    answer = server.api.complete("Once upon a time", max_tokens=3, temperature=0)
    assert answer.json["choices"][0]["finish_reason"] == "length"
    assert answer.json["usage"]["completion_tokens"] == 3


def test_a_prompt_longer_than_the_context_is_the_client_s_fault(server: Server) -> None:
    answer = server.api.complete([504] * 5000, max_tokens=4)
    assert answer.status == 400, answer.text
    assert server.api.complete("Once upon", max_tokens=2).status == 200


def test_what_was_cached_is_told_whoever_ends_the_output(server: Server) -> None:
    prompt = "One two three four five six seven eight nine ten. " * 8
    options = {"temperature": 0, "max_tokens": 16}
    whole = text_of(server.api.complete(prompt, **options).json)
    stopped = server.api.complete(prompt, stop=[whole.strip()[4:9]], **options)
    assert stopped.json["choices"][0]["finish_reason"] == "stop"
    assert len(text_of(stopped.json)) < len(whole)
    assert stopped.json["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
    usage = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    with server.api.stream_completion(prompt, **options, **usage) as stream:
        told = [chunk["usage"] for chunk in read_text(stream)[1] if chunk.get("usage")]
    assert len(told) > 2
    assert all(each["prompt_tokens_details"]["cached_tokens"] > 0 for each in told), told


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ({"n": 2}, "n is 2, which the llama-cpp engine does not have"),
        ({"best_of": 2}, "best_of is 2, which the llama-cpp engine does not have"),
        ({"n": 2, "best_of": 2}, "n is 2"),
        ({"echo": True}, "prompt_logprobs, or echo, is 1"),
        ({"prompt_logprobs": 1}, "prompt_logprobs, or echo, is 1"),
        ({"logprob_token_ids": [1]}, "logprob_token_ids is given"),
        ({"allowed_token_ids": []}, "allowed_token_ids is empty"),
        ({"logprobs": 6}, "Logprobs must be between 0 and 5"),
    ],
)
def test_what_it_does_not_have_is_refused_by_name(
    server: Server, option: dict[str, object], named: str
) -> None:
    answer = server.api.complete("Once upon a time", max_tokens=2, **option)
    assert answer.status == 400, answer.text
    assert named in answer.text


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ({"n": 2}, "n is 2, which the llama-cpp engine does not have"),
        ({"logprobs": True, "top_logprobs": 21}, "Top_logprobs must be between 0 and 20"),
    ],
)
def test_what_a_chat_does_not_have_is_refused_by_name(
    server: Server, option: dict[str, object], named: str
) -> None:
    answer = server.api.chat(("user", QUESTION), max_tokens=2, **option)
    assert answer.status == 400, answer.text
    assert named in answer.text


@pytest.mark.parametrize("home", ["/nonexistent/home", "/proc/no-folder", ""])
def test_without_a_home_that_can_be_written_to_it_serves(launcher: Launcher, home: str) -> None:
    (launcher.folder / "file").touch()
    home = home.replace("/nonexistent", str(launcher.folder / "file"))
    env = {"HOME": home, "XDG_CACHE_HOME": ""}
    process = launcher.command("serve", "llama-cpp", "--discovery-backend", "file", env=env)
    process.wait_for_line("^Serving on ")
    assert process.terminate() == 0
    assert "Traceback" not in process.output


def test_cancellation_frees_the_slot(launcher: Launcher) -> None:
    server = launcher.serve(
        "counted_llama:Counted",
        "--",
        "--max-num-seqs",
        "1",
        "--context-length",
        "8192",
        env={"XDG_CACHE_HOME": str(launcher.folder / "cache")},
    )
    endless = {"max_tokens": 8000, "ignore_eos": True}
    with server.api.stream_completion("Once upon a time", **endless, **case("left")) as stream:
        assert stream.first_text()
        with server.api.stream_completion("The moon is", max_tokens=4) as waiting:
            # The only slot is taken: the second stream begins when the first has ended.
            assert not launcher.latches.is_reached("left-ended")
            stream.leave()
            ended = json.loads(launcher.latches.reached("left-ended"))
            text, chunks = read_text(waiting)
    assert ended == {"cancelled": True}
    assert text
    assert finish_reasons(chunks) == ["length"]
    assert server.process.terminate() == 0
    # At once: told by the very next push, and never given another token after it.
    assert json.loads(launcher.latches.reached("cancellation")) == {"late": 0, "untold": 0}
