"""The comparison as Markdown, with what was aimed at."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from arms import GENERATE, REFERENCE, SOCKET, STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

# Heading, figure, format.
COLUMNS = [
    ("CPU µs/token", "cpu_micros_per_token", "{:,.1f}"),
    ("tokens/s", "tokens_per_second", "{:,.0f}"),
    ("first token p50, ms", "first_token_p50_ms", "{:.1f}"),
    ("first token p99, ms", "first_token_p99_ms", "{:.1f}"),
    ("between tokens p99, ms", "between_tokens_p99_ms", "{:.1f}"),
]
_SMALLER, _LARGER = "at most", "at least"
# What of the socket's: streams, figure, comparison, times the reference's.
_TARGETS = [
    (1, "cpu_micros_per_token", _SMALLER, Fraction(1, 2)),
    (16, "cpu_micros_per_token", _SMALLER, Fraction(1, 6)),
    (64, "cpu_micros_per_token", _SMALLER, Fraction(1, 6)),
    *((streams, "tokens_per_second", _LARGER, Fraction(1)) for streams in (1, 16, 64)),
    *((streams, "first_token_p50_ms", _SMALLER, Fraction(1)) for streams in (1, 16)),
    (64, "first_token_p50_ms", _SMALLER, Fraction(2, 3)),
    *((streams, "between_tokens_p99_ms", _SMALLER, Fraction(1)) for streams in (1, 16)),
    (64, "between_tokens_p99_ms", _SMALLER, Fraction(3, 4)),
]


def markdown(results: dict[str, Any]) -> str:
    """The whole report."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: dict[str, Any]) -> Iterator[str]:
    yield "# Measured with vLLM"
    yield ""
    yield "Written by `make bench-vllm`; `docs/performance.md` explains it. "
    yield ", ".join(f"{name}: {value}" for name, value in results["machine"].items()) + "."
    yield ""
    yield "Medians; after the CPU the spread, as the largest deviation from the median. The CPU is"
    yield "that of the worker's own process: vLLM's engine core is another, and the frontend too."
    yield ""
    loads = {(load["streams"], load["arm"]): load for load in results["loads"]}
    yield f"| streams | worker | n | {' | '.join(heading for heading, _, _ in COLUMNS)} |"
    yield "|--:|---|--:|" + "--:|" * len(COLUMNS)
    arms = (REFERENCE, GENERATE, STEPS, SOCKET)
    for streams, arm in sorted(loads, key=lambda load: (load[0], arms.index(load[1]))):
        load = loads[streams, arm]
        values = [_value(load["figures"][name], name, shown) for _, name, shown in COLUMNS]
        yield f"| {streams} | {arm} | {load['repetitions']} | {' | '.join(values)} |"
    yield ""
    yield "By the socket, against the reference:"
    yield ""
    yield "| what | target | reached | |"
    yield "|---|---|--:|---|"
    headings = {name: heading for heading, name, _ in COLUMNS}
    for streams, name, comparison, times in _TARGETS:
        if (streams, REFERENCE) not in loads or (streams, SOCKET) not in loads:
            continue
        ours, theirs = (loads[streams, arm]["figures"][name][0] for arm in (SOCKET, REFERENCE))
        met = ours <= times * theirs if comparison == _SMALLER else ours >= times * theirs
        yield (
            f"| {headings[name]}, {streams} streams | {comparison} {times} times |"
            f" {ours / theirs:.2f} | {'met' if met else '**missed**'} |"
        )


def _value(found: list[float], name: str, shown: str) -> str:
    middle, least, most = found
    text = shown.format(middle)
    if name == "cpu_micros_per_token":
        text += f" ± {max(most - middle, middle - least) / middle:.0%}"
    return text
