"""The worker says what vLLM's own ``LLM.generate`` says: tokens, and their log probabilities."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from support.vllm_worker import BLOCK, PROMPTS

if TYPE_CHECKING:
    from support.vllm_worker import Served

Expected = dict[str, list[dict[str, Any]]]
NEAR = 1e-4
"""Of log probabilities: with other requests in a step, sums of float32 are added up otherwise."""


def ask(served: Served, prompt: list[int]) -> dict[str, Any]:
    """An answer's only choice, and its usage."""
    options = {"temperature": 0, "logprobs": 2, "ignore_eos": True, "max_tokens": 24}
    answer = served.api.complete(prompt, **options)
    assert answer.status == 200, answer.text
    [choice] = answer.json["choices"]
    return {**choice, "usage": answer.json["usage"]}


def is_what_was_expected(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compares by the words of the tokens: a word has a token, and a token a word."""
    told = answer["logprobs"]
    positions = [
        {word(int(token)): logprob for token, logprob in position.items()}
        for position in expected["logprobs"]
    ]
    words = [word(token) for token in expected["tokens"]]
    assert told["tokens"] == words
    assert answer["text"].split() == words
    assert told["top_logprobs"] == [pytest.approx(position, abs=NEAR) for position in positions]
    chosen = [position[chosen] for position, chosen in zip(positions, words, strict=True)]
    assert told["token_logprobs"] == pytest.approx(chosen, abs=NEAR)
    assert answer["usage"]["completion_tokens"] == len(words)


def word(token: int) -> str:
    assert 4 <= token < 495, "the tiny model says what is no word"
    return f"w{token}"


def test_alone_and_after_a_cache_hit(served: Served, expected: Expected) -> None:
    assert served.worker.system.control("reset_prefix_cache").status == 200
    for known in (False, True):
        for prompt, said in zip(PROMPTS, expected["alone"], strict=True):
            answer = ask(served, prompt)
            is_what_was_expected(answer, said)
            # The last token of a prompt is computed in any case.
            cached = (len(prompt) - 1) // BLOCK * BLOCK if known else 0
            assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == cached


def test_in_a_batch(served: Served, expected: Expected) -> None:
    assert served.worker.system.control("reset_prefix_cache").status == 200
    with ThreadPoolExecutor(len(PROMPTS)) as pool:
        answers = list(pool.map(lambda prompt: ask(served, prompt), PROMPTS))
    for answer, said in zip(answers, expected["batch"], strict=True):
        is_what_was_expected(answer, said)
