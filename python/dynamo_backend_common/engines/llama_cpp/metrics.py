"""The engine's metrics, by the names that llama.cpp's own server has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .cache.kv_reports import KvUse
    from .steps.counts import Counts
    from .steps.load import Load

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def metrics_text(
    *, counts: Counts, load: Load, kv_use: KvUse | None, labels: Mapping[str, str]
) -> str:
    """What a scrape shows, in Prometheus' text format.

    Args:
        counts: What has been computed.
        load: What the engine is busy with.
        kv_use: What is in the KV cache; None: there is none yet.
        labels: Labels of each sample.
    """
    used = kv_use.used_blocks / kv_use.total_blocks if kv_use is not None else 0.0
    saved = kv_use.saved_bytes if kv_use is not None else 0
    rows = (
        ("prompt_tokens_total", "Tokens of prompts that were computed.", counts.prompt_tokens),
        ("prompt_seconds_total", "Seconds that prompts took.", counts.prompt_seconds),
        ("tokens_predicted_total", "Tokens of output.", counts.tokens_predicted),
        (
            "tokens_predicted_seconds_total",
            "Seconds that the tokens of output took.",
            counts.tokens_predicted_seconds,
        ),
        (
            "prefix_cache_queries_total",
            "Tokens of prompts that were looked for in the prefix cache.",
            counts.prefix_cache_queries,
        ),
        (
            "prefix_cache_hits_total",
            "Tokens of prompts that were found in the prefix cache.",
            counts.prefix_cache_hits,
        ),
        (
            "prompt_cache_hits_total",
            "Tokens of prompts that were found in the host's memory.",
            counts.prompt_cache_hits,
        ),
        ("n_decode_total", "Batches that were computed.", counts.n_decode),
        ("spec_decode_num_draft_tokens_total", "Tokens of drafts.", counts.n_draft_tokens),
        (
            "spec_decode_num_accepted_tokens_total",
            "Tokens of drafts that became output.",
            counts.n_draft_accepted,
        ),
        ("requests_processing", "Requests that run.", load.running),
        ("requests_deferred", "Requests that wait for a slot.", load.waiting),
        ("prompt_cache_bytes", "Bytes that prompts in the host's memory take.", saved),
        ("kv_cache_usage_ratio", "Part of the KV cache that running requests have.", used),
    )
    shown = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return "".join(
        f"# HELP llamacpp:{name} {what}\n"
        f"# TYPE llamacpp:{name} {'counter' if name.endswith('_total') else 'gauge'}\n"
        f"llamacpp:{name}{{{shown}}} {value}\n"
        for name, what, value in rows
    )
