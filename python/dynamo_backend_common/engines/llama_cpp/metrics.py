"""The engine's metrics, by the names that llama.cpp's own server has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .cache.kv_reports import KvUse
    from .steps.counts import Counts
    from .steps.load import Load

# Name, help and value.
_Row: TypeAlias = tuple[str, str, float]

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Requests(Protocol):
    """How many requests an engine has."""

    @property
    def running(self) -> int:
        """Those that it serves."""

    @property
    def waiting(self) -> int:
        """Those that it does not serve yet."""


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
        *_rows_of_both(counts, load),
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
        ("spec_decode_num_draft_tokens_total", "Tokens of drafts.", counts.n_draft_tokens),
        (
            "spec_decode_num_accepted_tokens_total",
            "Tokens of drafts that became output.",
            counts.n_draft_accepted,
        ),
        ("prompt_cache_bytes", "Bytes that prompts in the host's memory take.", saved),
        ("kv_cache_usage_ratio", "Part of the KV cache that running requests have.", used),
    )
    return _text(rows, labels)


def pooling_metrics_text(*, counts: Counts, load: Requests, labels: Mapping[str, str]) -> str:
    """The same of the engine of vectors and scores.

    Args:
        counts: What has been computed.
        load: What the engine is busy with.
        labels: Labels of each sample.
    """
    return _text(_rows_of_both(counts, load), labels)


def _rows_of_both(counts: Counts, load: Requests) -> tuple[_Row, ...]:
    return (
        ("prompt_tokens_total", "Tokens of prompts that were computed.", counts.prompt_tokens),
        ("prompt_seconds_total", "Seconds that prompts took.", counts.prompt_seconds),
        ("n_decode_total", "Batches that were computed.", counts.n_decode),
        ("requests_processing", "Requests that run.", load.running),
        ("requests_deferred", "Requests that wait.", load.waiting),
    )


def _text(rows: Iterable[_Row], labels: Mapping[str, str]) -> str:
    shown = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return "".join(
        f"# HELP llamacpp:{name} {what}\n"
        f"# TYPE llamacpp:{name} {'counter' if name.endswith('_total') else 'gauge'}\n"
        f"llamacpp:{name}{{{shown}}} {value}\n"
        for name, what, value in rows
    )
