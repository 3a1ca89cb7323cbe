"""A router knows what vLLM's cache holds, by vLLM's own events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from support.endpoint import ask
from support.metrics import sample
from support.processes import until
from support.vllm_worker import BLOCK

if TYPE_CHECKING:
    from support.vllm_worker import Served

PROMPT = [*range(100, 100 + 3 * BLOCK), 5]


def hit_rate(served: Served) -> float:
    """What share of the prompt the router takes the worker to have, before it asks it."""
    asked = {"nvext": {"extra_fields": ["timing"], "cache_salt": None}}
    answer = served.api.complete(PROMPT, max_tokens=1, temperature=0, **asked)
    assert answer.status == 200, answer.text
    rate: float = answer.json["nvext"]["timing"]["kv_hit_rate"]
    return rate


def test_a_router_hears_of_what_came_past_it_and_of_what_is_gone(served: Served) -> None:
    reset = served.worker.system.control("reset_prefix_cache")
    assert reset.json == {"status": "ok"}
    # It is told by events alone: this request is the worker's own.
    request = {"token_ids": PROMPT, "stop_conditions": {"max_tokens": 1}}
    [answer] = ask(served.launcher, request)
    assert not isinstance(answer, str), answer
    # The last of its blocks is not full.
    until(lambda: hit_rate(served) == 3 / 4, "the router has heard of the prompt's blocks")

    def is_gone() -> bool:
        assert served.worker.system.control("reset_prefix_cache").json == {"status": "ok"}
        # vLLM tells of it with its next step.
        assert served.api.complete([5, 6], max_tokens=1).status == 200
        # Whoever asks has the prompt computed again, so an answer that comes too early stays.
        time.sleep(0.3)
        return hit_rate(served) == 0

    until(is_gone, "the router has heard that they are gone")


def test_the_load_is_published_at_every_step(served: Served) -> None:
    def gauge(name: str) -> float:
        return sample(served.worker.system.get("/metrics").text, f"dynamo_component_{name}")

    def is_seen() -> bool:
        asked = {"max_tokens": 150, "ignore_eos": True}
        with served.api.stream_completion(PROMPT, **asked) as stream:
            assert stream.first_text()
            usage = gauge("gpu_cache_usage_percent")
            for _ in stream.events():
                pass
        return usage > 0

    assert gauge("total_blocks") > 1000
    until(is_seen, "a request's blocks are seen")
    until(lambda: gauge("gpu_cache_usage_percent") == 0, "its blocks are seen to be free")
