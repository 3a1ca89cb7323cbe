"""What a request asks for reaches vLLM, or is refused by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.endpoint import ask, tokens_of
from support.vllm_worker import BLOCK, PROMPTS

if TYPE_CHECKING:
    from support.vllm_worker import Served

PROMPT = PROMPTS[1]


def said(served: Served, **options: Any) -> list[str]:
    """The words of an answer."""
    asked = {"max_tokens": 12, "temperature": 0, "ignore_eos": True} | options
    answer = served.api.complete(PROMPT, **asked)
    assert answer.status == 200, answer.text
    return list(answer.json["choices"][0]["text"].split())


def request(**parts: Any) -> dict[str, Any]:
    """One as Dynamo's frontend sends it; parts are added to its own."""
    base: dict[str, Any] = {
        "token_ids": PROMPT,
        "sampling_options": {"temperature": 0.0},
        "stop_conditions": {"max_tokens": 4, "ignore_eos": True},
        "output_options": {},
    }
    return base | {
        name: {**base.get(name, {}), **value} if isinstance(value, dict) else value
        for name, value in parts.items()
    }


@pytest.mark.parametrize("sure", [{"top_k": 1}, {"top_p": 0.001}, {"min_p": 1.0}])
def test_what_leaves_but_the_likeliest_is_greedy(served: Served, sure: dict[str, Any]) -> None:
    greedy = said(served)
    assert said(served, temperature=2.0, **sure) == greedy
    assert said(served, temperature=2.0, seed=1) != greedy


def test_a_seed_is_kept(served: Served) -> None:
    first, again, other = (said(served, temperature=2.0, seed=seed) for seed in (7, 7, 8))
    assert first == again != other


@pytest.mark.parametrize("penalty", ["presence_penalty", "frequency_penalty"])
def test_penalties(served: Served, penalty: str) -> None:
    assert len(set(said(served))) < 12
    assert len(set(said(served, **{penalty: 2.0}))) == 12


def test_repetition_penalty(served: Served) -> None:
    prompt = {f"w{token}" for token in PROMPT}
    assert prompt & set(said(served))
    assert not prompt & set(said(served, repetition_penalty=2.0))


def test_stop_tokens_and_the_least_number(served: Served) -> None:
    first = said(served)[0]
    asked = {"max_tokens": 12, "temperature": 0, "stop_token_ids": [int(first[1:])]}
    choice, usage = stopped(served, **asked)
    assert (choice["finish_reason"], usage["completion_tokens"]) == ("stop", 1)
    choice, usage = stopped(served, **asked, min_tokens=5)
    assert usage["completion_tokens"] >= 5
    assert first not in choice["text"].split()[:5]


def test_a_text_that_stops(served: Served) -> None:
    words = said(served)
    # By ignore_eos a frontend ignores texts, too.
    choice, _ = stopped(served, max_tokens=12, temperature=0, stop=[words[5]])
    assert choice["finish_reason"] == "stop"
    assert choice["text"].split() == words[: words.index(words[5])]


def stopped(served: Served, **asked: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = served.api.complete(PROMPT, **asked)
    assert answer.status == 200, answer.text
    return answer.json["choices"][0], answer.json["usage"]


def test_what_a_frontend_passes_on_unread(served: Served) -> None:
    def unread(**options: Any) -> dict[str, Any]:
        return request(extra_args={"sampling_options": options})

    plain, biased, allowed, forbidden = ask(
        served.launcher,
        request(),
        unread(logit_bias={"77": 100}),
        unread(allowed_token_ids=[78, 79]),
        unread(bad_words_token_ids=[[PROMPT[-1]]]),
    )
    assert len(tokens_of(plain)) == 4
    assert tokens_of(biased) == [77] * 4
    assert set(tokens_of(allowed)) <= {78, 79}
    assert PROMPT[-1] not in tokens_of(forbidden)


def test_log_probabilities_of_the_prompt(served: Served) -> None:
    [answer] = ask(served.launcher, request(output_options={"prompt_logprobs": 2}))
    assert not isinstance(answer, str), answer
    assert len(tokens_of(answer)) == 4
    told = answer[-1]["engine_data"]["prompt_logprobs"]
    assert len(told) == len(PROMPT)


def test_a_cache_salt_keeps_prefixes_apart(served: Served) -> None:
    prompt = [*range(300, 300 + 2 * BLOCK), 5]
    salts = ["one", "one", "two", None, None]
    answers = ask(
        served.launcher,
        *(
            request(token_ids=prompt, routing={"cache_salt": salt} if salt else {})
            for salt in salts
        ),
    )
    assert [cached_tokens(answer[0]) for answer in answers] == [0, 2 * BLOCK, 0, 0, 2 * BLOCK]


def cached_tokens(chunk: Any) -> int:
    cached: int = chunk["completion_usage"]["prompt_tokens_details"]["cached_tokens"]
    return cached


def test_usage_comes_with_the_first_chunk_and_with_the_last(served: Served) -> None:
    [answer] = ask(served.launcher, request(stop_conditions={"max_tokens": 6}))
    assert not isinstance(answer, str), answer
    assert len(tokens_of(answer)) == 6
    first, last = answer[0]["completion_usage"], answer[-1]["completion_usage"]
    assert first["prompt_tokens"] == last["prompt_tokens"] == len(PROMPT)
    assert last["completion_tokens"] == 6
    assert last["total_tokens"] == len(PROMPT) + 6
    assert answer[-1]["finish_reason"] == "length"


def test_cached_tokens_are_in_the_first_events_usage(served: Served) -> None:
    prompt = [*range(200, 200 + 2 * BLOCK), 5]
    usage = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    for cached in (0, 2 * BLOCK):
        with served.api.stream_completion(prompt, max_tokens=4, **usage) as stream:
            told = [event.json["usage"] for event in stream.events() if event.data[0] == "{"]
        assert [each["prompt_tokens_details"]["cached_tokens"] for each in told] == [cached] * len(
            told
        )


@pytest.mark.parametrize("asked", [{"n": 2, "temperature": 1.0}, {"best_of": 2}])
def test_what_vllm_does_not_have_is_the_clients_fault(
    served: Served, asked: dict[str, Any]
) -> None:
    answer = served.api.complete(PROMPT, **asked)
    assert answer.status == 400, answer.text
    assert next(iter(asked)) in answer.text


def test_so_is_what_no_frontend_sends(served: Served) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "use_beam_search": {"sampling_options": {"use_beam_search": True}},
        "length_penalty": {"sampling_options": {"length_penalty": 2.0}},
        "frobnicate": {"extra_args": {"sampling_options": {"frobnicate": 1}}},
        "logprobs": {"output_options": {"logprobs": 1000}},
        "token_ids has 512": {"token_ids": [5, 512]},
        "empty": {"token_ids": []},
    }
    answers = ask(served.launcher, *(request(**parts) for parts in wrong.values()), request())
    for name, answer in zip(wrong, answers, strict=False):
        assert isinstance(answer, str), (name, answer)
        assert name in answer
    assert len(tokens_of(answers[-1])) == 4
