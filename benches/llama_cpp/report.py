"""The comparison as Markdown, with what was aimed at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arms import ARMS, OURS, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

# Heading, figure, format.
COLUMNS = [
    ("tokens/s", "tokens_per_second", "{:,.1f}"),
    ("first token p50, ms", "first_token_p50_ms", "{:,.0f}"),
    ("CPU ms/token", "cpu_millis_per_token", "{:,.1f}"),
    ("of prompts found", "prefix_hits", "{:.0%}"),
    ("memory, MB", "memory_mb", "{:,.0f}"),
]


def markdown(results: dict[str, Any]) -> str:
    """The whole report."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: dict[str, Any]) -> Iterator[str]:
    yield "# Measured with llama.cpp's own server"
    yield ""
    yield "Written by `make bench-llama-cpp`; `docs/performance.md` explains it. "
    yield ", ".join(f"{name}: {value}" for name, value in results["machine"].items()) + "."
    yield ""
    yield "Medians, of tokens/s also the spread, as the largest deviation from the median."
    yield ""
    loads = {(load["prompts"], load["clients"], load["arm"]): load for load in results["loads"]}
    yield f"| prompts | clients | server | n | {' | '.join(heading for heading, _, _ in COLUMNS)} |"
    yield "|---|--:|---|--:|" + "--:|" * len(COLUMNS)
    arms = [arm.name for arm in ARMS]
    for kind, clients, arm in sorted(loads, key=lambda load: (*load[:2], arms.index(load[2]))):
        load = loads[kind, clients, arm]
        values = [_value(load["figures"][name], name, shown) for _, name, shown in COLUMNS]
        yield f"| {kind} | {clients} | {arm} | {load['repetitions']} | {' | '.join(values)} |"
    yield ""
    yield "Ours against llama.cpp's own server, of each repetition's figures the medians:"
    yield ""
    yield "| prompts | clients | tokens/s | first token | CPU |"
    yield "|---|--:|--:|--:|--:|"
    for kind, clients, arm in sorted(loads):
        if arm != OURS.name or (kind, clients, REFERENCE.name) not in loads:
            continue
        ours, theirs = (loads[kind, clients, each.name]["figures"] for each in (OURS, REFERENCE))
        ratios = [
            f"{ours[name][0] / theirs[name][0]:.2f}"
            for name in ("tokens_per_second", "first_token_p50_ms", "cpu_millis_per_token")
        ]
        yield f"| {kind} | {clients} | {' | '.join(ratios)} |"


def _value(found: list[float], name: str, shown: str) -> str:
    middle, least, most = found
    text = shown.format(middle)
    if name == "tokens_per_second":
        text += f" ± {max(most - middle, middle - least) / middle:.0%}"
    return text
