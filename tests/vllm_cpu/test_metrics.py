"""vLLM's metrics in the worker's ``/metrics``: each family once, and its counts right."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from support.metrics import lint, samples
from support.processes import until
from support.vllm_worker import BLOCK, NAME, becomes_idle

if TYPE_CHECKING:
    from support.vllm_worker import Served

LABELS = {
    "dynamo_namespace": "dynamo",
    "dynamo_component": "backend",
    "dynamo_endpoint": "generate",
    "model_name": NAME,
}
REQUESTS, OUTPUT = 12, 10
PROMPT = [*range(150, 150 + BLOCK), 5]


def test_each_family_is_there_once_with_the_endpoints_labels(served: Served) -> None:
    text = served.worker.system.get("/metrics").text
    families = Counter(re.findall(r"^# TYPE (vllm:\S+)", text, re.MULTILINE))
    assert len(families) > 40
    assert set(families.values()) == {1}
    for family in families:
        for labels, _ in samples(text, rf"{family}(?:_total|_sum|_count)?"):
            assert labels.items() >= LABELS.items(), (family, labels)
    assert not [line for line in lint(text).splitlines() if "duplicate" in line]


def test_counts_are_those_of_the_requests(served: Served) -> None:
    def counts() -> Counter[str]:
        text = served.worker.system.get("/metrics").text
        values: Counter[str] = Counter()
        for name in (
            "prompt_tokens_total",
            "generation_tokens_total",
            "request_success_total",
            "prefix_cache_queries_total",
            "prefix_cache_hits_total",
            "time_to_first_token_seconds_count",
            "inter_token_latency_seconds_count",
            "e2e_request_latency_seconds_count",
            "request_prompt_tokens_sum",
            "request_generation_tokens_sum",
            "request_queue_time_seconds_count",
        ):
            for labels, value in samples(text, f"vllm:{name}"):
                reason = labels.get("finished_reason")
                values[f"{name} {reason}" if reason else name] += int(value)
        return values

    becomes_idle(served.worker)
    assert served.worker.system.control("reset_prefix_cache").json == {"status": "ok"}
    before = counts()
    served.api.complete(PROMPT, max_tokens=OUTPUT, ignore_eos=True)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(
            lambda _: served.api.complete(PROMPT, max_tokens=OUTPUT, ignore_eos=True),
            range(REQUESTS - 2),
        ):
            assert answer.json["usage"]["completion_tokens"] == OUTPUT
    guided = served.api.complete(PROMPT, guided_choice=["w20"], max_tokens=OUTPUT)
    assert guided.json["choices"][0]["finish_reason"] == "stop"
    output = (REQUESTS - 1) * OUTPUT + guided.json["usage"]["completion_tokens"]
    prompt = REQUESTS * len(PROMPT)
    expected = {
        "prompt_tokens_total": prompt,
        "generation_tokens_total": output,
        "request_success_total length": REQUESTS - 1,
        "request_success_total stop": 1,
        "prefix_cache_queries_total": prompt,
        "prefix_cache_hits_total": (REQUESTS - 1) * BLOCK,
        "time_to_first_token_seconds_count": REQUESTS,
        "inter_token_latency_seconds_count": output - REQUESTS,
        "e2e_request_latency_seconds_count": REQUESTS,
        "request_prompt_tokens_sum": prompt,
        "request_generation_tokens_sum": output,
        "request_queue_time_seconds_count": REQUESTS,
    }
    # What is told past Python is fetched a little later.
    until(lambda: dict(counts() - before) == expected, f"counts are {expected}", patience=20)
