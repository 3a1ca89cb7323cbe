"""Where a worker's time goes: samples it under a load with ``perf``, and prints shares by kind.

``python benches/where.py "ours, async generator" 256 turns``, in the environment of ``make bench``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from arms import arms
from cells import TURNS, Cell
from measure import measure
from worker import WorkerProcess

# The first that matches the symbol, or the object that it is in, names the kind.
_KINDS = [
    ("TCP in the kernel", r"^(tcp|__tcp|ip_|__ip|sock|__sock|skb|__skb|inet|net_|__net|napi|loop)"),
    ("allocator", r"(malloc|free|realloc|_int_|calloc|mi_|unlink_chunk|PyObject_Malloc)"),
    ("JSON", r"serde|itoa|ryu|format_escaped|Serialize|serialize"),
    ("tracing and metrics", r"tracing|prometheus|opentelemetry|Span|span"),
    ("the runtime's framing and stream", r"codec|two_part|framed|push_handler|tcp::client|network"),
    ("our stream", r"dynamo_backend_worker"),
    ("our module", r"dynamo_backend_python|_core::|pyo3"),
    ("tokio", r"tokio|mio|parking_lot|futures"),
    ("event loop", r"uvloop|uv__|uv_"),
    ("Python", r"^(_?Py|_PyEval|gen_|dict_|list_|tuple_|long_|method_|task_|async_gen|lookdict)"),
    ("copies", r"memcpy|memmove|memset"),
]


def main() -> int:
    """Prints two tables: kinds, and symbols."""
    name, streams, pace = sys.argv[1:4]
    cell = Cell("profile", int(streams), pace if pace.isalpha() else int(pace), apart=pace == TURNS)
    arm = next(arm for arm in arms() if arm.name == name)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        worker = WorkerProcess(arm, Path(folder))
        try:
            measure(worker, cell, 0.5, 0.5)
            data = str(Path(folder) / "perf.data")
            record = ["perf", "record", "-q", "-F", "1999", "-e", "cpu-clock", "-o", data]
            with subprocess.Popen([*record, "-p", str(worker.pid), "--", "sleep", "5"]) as perf:
                report = measure(worker, cell, 0.5, 5.0)
                perf.wait()
            columns = ["perf", "report", "-i", data, "--stdio", "-q", "-F", "overhead,comm,dso,sym"]
            text = subprocess.run(
                [*columns, "-w", "0,0,0,0", "-t", "\t"], capture_output=True, text=True, check=True
            ).stdout
        finally:
            worker.stop()
    _print(text, report["cpu_nanos"] / max(report["tokens"], 1) / 1000)
    return 0


def _print(text: str, micros: float) -> None:
    kinds: Counter[str] = Counter()
    symbols: Counter[str] = Counter()
    for line in text.splitlines():
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) != 4 or not fields[0].endswith("%"):
            continue
        share, symbol = float(fields[0].rstrip("%")), fields[3][4:]
        kinds[_kind(fields[2], symbol, kernel=fields[3].startswith("[k]"))] += share
        symbols[f"{symbol[:100]} ({Path(fields[2]).name})"] += share
    print(f"{micros:.2f} µs of the worker's CPU per token\n")
    for counted, most in ((kinds, 20), (symbols, 40)):
        for what, share in counted.most_common(most):
            print(f"| {what} | {share:.1f} % | {share / 100 * micros:.2f} |")
        print()


def _kind(where: str, symbol: str, *, kernel: bool) -> str:
    for kind, pattern in _KINDS:
        if re.search(pattern, symbol):
            return kind
    if kernel:
        return "kernel, the rest"
    if "python" in where:
        return "Python"
    return f"the rest of {Path(where).name}"


if __name__ == "__main__":
    sys.exit(main())
