"""The engine's metrics say what was computed, what waits, and what the cache spared."""

import asyncio
import re

ENDLESS = {"max_tokens": None, "ignore_eos": True}
COUNTERS = {
    "n_decode_total",
    "prefix_cache_hits_total",
    "prefix_cache_queries_total",
    "prompt_cache_hits_total",
    "prompt_seconds_total",
    "prompt_tokens_total",
    "spec_decode_num_accepted_tokens_total",
    "spec_decode_num_draft_tokens_total",
    "tokens_predicted_seconds_total",
    "tokens_predicted_total",
}
GAUGES = {"kv_cache_usage_ratio", "prompt_cache_bytes", "requests_deferred", "requests_processing"}


def _read(text):
    """The values by name; each has its help, its type and the labels."""
    assert text.count("# HELP llamacpp:") == len(COUNTERS | GAUGES)
    assert set(re.findall(r"# TYPE llamacpp:(\w+) counter", text)) == COUNTERS
    assert set(re.findall(r"# TYPE llamacpp:(\w+) gauge", text)) == GAUGES
    found = re.findall(r'^llamacpp:(\w+)\{model="a \\"model\\""\} (\S+)$', text, re.MULTILINE)
    return {name: float(value) for name, value in found}


async def test_they_count_tokens_seconds_and_what_was_found(start, tokenize, metrics_context):
    drafts = {"spec_type": "ngram-simple", "spec_ngram_simple_size_n": 2}
    client, texts = await start(max_num_seqs=2, **drafts), []
    await client.engine.setup_metrics(metrics_context(texts))
    (text,) = texts
    assert set(_read(text()).values()) == {0.0}
    prompt = tokenize("one two three " * 20)
    for _ in range(2):
        await client.ask(prompt, stop=ENDLESS | {"max_tokens": 6})
    seen = _read(text())
    cached = len(prompt) - 2
    assert seen["prefix_cache_queries_total"] == 2 * len(prompt)
    assert seen["prefix_cache_hits_total"] == cached
    assert seen["prompt_tokens_total"] == 2 * len(prompt) - cached
    assert seen["tokens_predicted_total"] == 2 * 6
    assert seen["prompt_seconds_total"] > 0
    assert seen["tokens_predicted_seconds_total"] > 0
    # Each first token comes of the one batch that the rest of the prompt is; what was guessed right
    # spares a batch.
    right = seen["spec_decode_num_accepted_tokens_total"]
    assert 0 < right <= seen["spec_decode_num_draft_tokens_total"]
    assert seen["n_decode_total"] == 2 * 6 - right

    # They go on where they were.
    await client.engine.engine_control("sleep", {})
    await client.engine.engine_control("wake_up", {})
    await client.ask(prompt, stop={"max_tokens": 1})
    assert _read(text())["prompt_tokens_total"] == 3 * len(prompt) - cached


async def test_they_tell_who_runs_and_who_waits(start, chat, metrics_context):
    client, texts = await start(max_num_seqs=2), []
    await client.engine.setup_metrics(metrics_context(texts))
    prompt = chat("Write a long story.")
    tasks = [asyncio.create_task(client.ask(prompt, stop=ENDLESS)) for _ in range(5)]
    await client.until(lambda: _read(texts[0]())["requests_deferred"] == 3)
    await client.until(lambda: _read(texts[0]())["kv_cache_usage_ratio"] > 0)
    assert _read(texts[0]())["requests_processing"] == 2
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.until(lambda: _read(texts[0]())["kv_cache_usage_ratio"] == 0)
    assert _read(texts[0]())["requests_processing"] == 0
