"""What an operator tells vLLM by the worker's controls."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from support.api import finish_reasons, read_text, wait_for_model
from support.system import becomes_not_ready, becomes_ready
from support.vllm_worker import BLOCK, NAME, PROMPTS

if TYPE_CHECKING:
    from support.vllm_worker import Served

PROMPT = [*range(250, 250 + BLOCK), 5]
WORDS: dict[str, Any] = {"ignore_eos": True, "temperature": 0}
"""What is likeliest are words, which can be counted."""


def tell(served: Served, control: str, **body: Any) -> dict[str, Any]:
    answer = served.worker.system.control(control, body)
    assert answer.status == 200, answer.text
    reply: dict[str, Any] = answer.json
    assert reply["status"] == "ok", answer.text
    return reply


def cached_tokens(served: Served) -> int:
    answer = served.api.complete(PROMPT, max_tokens=1)
    assert answer.status == 200, answer.text
    cached: int = answer.json["usage"]["prompt_tokens_details"]["cached_tokens"]
    return cached


def test_the_prefix_cache_is_reset(served: Served) -> None:
    tell(served, "reset_prefix_cache")
    assert [cached_tokens(served) for _ in range(2)] == [0, BLOCK]
    tell(served, "reset_prefix_cache")
    assert cached_tokens(served) == 0


def test_what_is_paused_goes_on(served: Served) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        served.api.stream_completion(PROMPTS[0], **WORDS, max_tokens=200) as stream,
    ):
        first = stream.first_text()
        tell(served, "pause_generation")
        becomes_not_ready(served.worker.system)
        rest = pool.submit(read_text, stream)
        tell(served, "resume_generation")
        becomes_ready(served.worker.system)
        text, chunks = rest.result()
    assert len((first + text).split()) == 200
    assert finish_reasons(chunks) == ["length"]


def test_it_sleeps_and_wakes_up(served: Served) -> None:
    before = served.api.complete(PROMPTS[3], max_tokens=8, temperature=0).json["choices"]
    tell(served, "sleep", level=1)
    becomes_not_ready(served.worker.system)
    assert tell(served, "is_sleeping")["is_sleeping"] is True
    tell(served, "wake_up")
    becomes_ready(served.worker.system)
    assert tell(served, "is_sleeping")["is_sleeping"] is False
    wait_for_model(served.api, NAME)
    after = served.api.complete(PROMPTS[3], max_tokens=8, temperature=0)
    assert after.status == 200, after.text
    assert after.json["choices"] == before


def test_a_control_says_what_it_does_not_accept(served: Served) -> None:
    for control, body in (
        ("reset_prefix_cache", {"frobnicate": 1}),
        ("pause_generation", {"mode": "later"}),
        ("sleep", {"level": 9}),
    ):
        answer = served.worker.system.control(control, body)
        assert answer.json["status"] == "error", answer.text
        assert next(iter(body)) in answer.text
        # Nobody left discovery for it.
        becomes_ready(served.worker.system)
        assert served.api.complete(PROMPT, max_tokens=1).status == 200
    assert served.worker.system.control("frobnicate").status == 404
