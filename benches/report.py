"""The results as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from targets import verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator

_TITLES = {
    "tokens": "Tokens: 128 prompt tokens, 256 output tokens, one token a chunk",
    "chunks": "Larger chunks: 256 streams, an engine that never waits",
    "steps": "An engine that steps",
    "first token": "First token: requests sent at once, 25 times a second; 8 output tokens",
    "prompts": "Long prompts: 4 streams, 16 output tokens",
    "stalled": "One stalled client of 256",
    "spin": "A thread that spins beside",
    "quic": "The runtime's QUIC response plane",
}
# Heading, figure, format.
_COLUMNS = {
    "throughput": [
        ("tokens/s", "tokens_per_second", "{:,.0f}"),
        ("CPU µs/token", "cpu_micros_per_token", "{:.2f}"),
        ("of it event loop", "loop_micros_per_token", "{:.2f}"),
        ("rest", "other_micros_per_token", "{:.2f}"),
        ("tokens/frame", "tokens_per_frame", "{:.1f}"),
        ("switches/token", "context_switches_per_token", "{:.2f}"),
        ("first token p50", "first_token_p50_ms", "{:.1f}"),
        ("p99", "first_token_p99_ms", "{:.1f}"),
        ("frames apart p50", "between_frames_p50_ms", "{:.2f}"),
        ("p99", "between_frames_p99_ms", "{:.2f}"),
        ("peak MiB", "peak_mib", "{:.0f}"),
        ("core busy: worker", "worker_cpu_share", "{:.0%}"),
        ("client", "client_cpu_share", "{:.0%}"),
    ],
    "latency": [
        ("tokens/s", "tokens_per_second", "{:,.0f}"),
        ("CPU µs/token", "cpu_micros_per_token", "{:.2f}"),
        ("first token p50", "first_token_p50_ms", "{:.2f}"),
        ("p99", "first_token_p99_ms", "{:.2f}"),
        ("added p50", "added_p50_ms", "{:.2f}"),
        ("p99", "added_p99_ms", "{:.2f}"),
        ("frames apart p50", "between_frames_p50_ms", "{:.2f}"),
        ("p99", "between_frames_p99_ms", "{:.2f}"),
        ("tokens/frame", "tokens_per_frame", "{:.1f}"),
        ("peak MiB", "peak_mib", "{:.0f}"),
    ],
    "requests": [
        ("CPU µs/request", "cpu_micros_per_request", "{:,.0f}"),
        ("first token p50", "first_token_p50_ms", "{:.2f}"),
        ("p99", "first_token_p99_ms", "{:.2f}"),
        ("peak MiB", "peak_mib", "{:.0f}"),
    ],
}
_COLUMNS_OF = {
    "tokens": "throughput",
    "chunks": "throughput",
    "quic": "throughput",
    "steps": "latency",
    "spin": "latency",
    "stalled": "latency",
    "prompts": "requests",
    "first token": "requests",
}


def markdown(results: dict[str, Any]) -> str:
    """The whole report."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: dict[str, Any]) -> Iterator[str]:
    yield "# Measured"
    yield ""
    yield "Written by `make bench`; `docs/performance.md` explains it. "
    yield ", ".join(f"{name}: {value}" for name, value in results["machine"].items()) + "."
    yield ""
    yield "Medians of n repetitions; after tokens/s and CPU the spread, as the largest deviation"
    yield "from the median. Times are milliseconds where nothing else is said."
    yield ""
    yield "## Targets"
    yield ""
    yield "| what | target | reached | |"
    yield "|---|---|---|---|"
    for verdict in verdicts(results):
        mark = {True: "met", False: "**missed**", None: "not measured"}[verdict.met]
        yield f"| {verdict.what} | {verdict.target} | {verdict.reached} | {mark} |"
    for group, title in _TITLES.items():
        loads = [load for load in results["loads"] if load["cell"]["group"] == group]
        if loads:
            yield ""
            yield f"## {title}"
            yield ""
            yield from _table(loads, _COLUMNS[_COLUMNS_OF[group]])
    if results["counts"]:
        yield ""
        yield "## Counted"
        yield ""
        yield from _counts(results["counts"])
    yield ""
    yield "## Before it serves"
    yield ""
    yield "| package | wheel, MiB | compiled module, MiB | import, s |"
    yield "|---|--:|--:|--:|"
    for package, found in results["footprint"].items():
        values = (found.get(name, "") for name in ("wheel_mib", "extension_mib", "import_seconds"))
        yield f"| {package} | {' | '.join(map(str, values))} |"


def _table(loads: list[dict[str, Any]], columns: list[tuple[str, str, str]]) -> Iterator[str]:
    # Columns that no arm has a figure for are left out.
    columns = [column for column in columns if any(column[1] in load["figures"] for load in loads)]
    heads = ["load", "worker", "n", *(heading for heading, _, _ in columns)]
    yield f"| {' | '.join(heads)} |"
    yield "|---" * 2 + "|--:" * (len(columns) + 1) + "|"
    cells = list(dict.fromkeys(_load(load["cell"]) for load in loads))
    for load in sorted(loads, key=lambda load: cells.index(_load(load["cell"]))):
        values = [
            _value(load["figures"].get(figure), figure, shown) for _, figure, shown in columns
        ]
        head = f"| {_load(load['cell'])} | {load['arm']} | {load['repetitions']} |"
        yield f"{head} {' | '.join(values)} |"


def _load(cell: dict[str, Any]) -> str:
    pace = {"free": "never waits", "turns": "one chunk a turn"}.get(
        cell["pace"], f"steps of {cell['pace']} ms"
    )
    parts = [f"{cell['streams']} streams", pace]
    if cell["apart"]:
        parts.append("a frame per chunk")
    if cell["chunk"] != 1:
        parts.append(f"{cell['chunk']} tokens a chunk")
    if cell["prompt_tokens"] != 128:
        parts.append(f"{cell['prompt_tokens']:,} prompt tokens")
    if cell["stall_one"]:
        parts.append("one stalled")
    return ", ".join(parts)


def _value(found: list[float] | None, figure: str, shown: str) -> str:
    if found is None:
        return ""
    median, least, most = found
    text = shown.format(median)
    if figure in ("tokens_per_second", "cpu_micros_per_token") and median:
        text += f" ± {max(most - median, median - least) / median:.0%}"
    return text


def _counts(counts: list[dict[str, Any]]) -> Iterator[str]:
    yield "| streams | pace | worker | system calls/token | GIL, foreign/token | /request |"
    yield "|--:|---|---|--:|--:|--:|"
    for count in sorted(counts, key=lambda count: (str(count["pace"]), count["streams"])):
        figures = (
            _count(count, "system_calls_per_token"),
            _count(count, "foreign_gil_per_token"),
            _count(count, "foreign_gil_per_request"),
        )
        yield f"| {count['streams']} | {count['pace']} | {count['arm']} | {' | '.join(figures)} |"


def _count(count: dict[str, Any], name: str) -> str:
    found = count.get(name)
    return "" if found is None else f"{found:.4g}"
