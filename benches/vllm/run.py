"""Measures our worker with vLLM, by each way for tokens, beside the reference's in-process worker.

Called by ``make bench-vllm``; ``ARGS="--quick"`` takes some minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from arms import ARMS, Arm
from load import load, quantile
from machine import description
from plot import plot
from processes import Processes
from report import markdown
from results import spread

RESULTS = Path(__file__).parents[1] / "results"
REQUESTS = {1: 24, 16: 15, 64: 8}
"""By the number of streams: how many requests each of them sends, in one turn."""


def main() -> int:
    """Does what the command line says; returns the exit status."""
    options = _options()
    # Workers are stopped also where this is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    found: dict[tuple[int, str], list[dict[str, float]]] = defaultdict(list)
    arms = [arm for arm in ARMS if not options.only or arm.model in options.only]
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Processes(arms, Path(folder)) as processes,
    ):
        for repetition in range(options.repetitions):
            for streams, requests in REQUESTS.items():
                turn = repetition % len(arms)
                for arm in arms[turn:] + arms[:turn]:
                    got = _measure(processes, arm, streams, 2 if options.quick else requests)
                    found[streams, arm.name].append(got)
                    print(
                        f"{time.strftime('%H:%M:%S')} {repetition + 1}/{options.repetitions}"
                        f" {streams} {arm.name}: {got['cpu_micros_per_token']:.1f} µs/token,"
                        f" {got['tokens_per_second']:,.0f} tokens/s",
                        flush=True,
                    )
            _write(options.output, found)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter turns, and fewer")
    parser.add_argument("--only", action="append", help="an arm's model; may be repeated")
    parser.add_argument("--repetitions", type=int, help="default: 5, with --quick 3")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    options.repetitions = options.repetitions or (3 if options.quick else 5)
    return options


def _measure(processes: Processes, arm: Arm, streams: int, requests: int) -> dict[str, float]:
    asyncio.run(load(processes.port, arm.model, streams, 1))
    before = processes.cpu_seconds(arm)
    clocked = asyncio.run(load(processes.port, arm.model, streams, requests))
    used = processes.cpu_seconds(arm) - before
    return {
        "cpu_micros_per_token": used / clocked.tokens * 1e6,
        "tokens_per_second": clocked.tokens / clocked.seconds,
        "first_token_p50_ms": quantile(clocked.first, 0.5) * 1000,
        "first_token_p99_ms": quantile(clocked.first, 0.99) * 1000,
        "between_tokens_p99_ms": quantile(clocked.between, 0.99) * 1000,
    }


def _write(folder: Path, found: dict[tuple[int, str], list[dict[str, float]]]) -> None:
    results = {
        "machine": description() | {"vLLM": os.environ["BENCH_VLLM"]},
        "loads": [
            {"streams": streams, "arm": arm, "repetitions": len(runs), "figures": spread(runs)}
            for (streams, arm), runs in found.items()
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    lines = json.dumps(results, indent=1)
    (folder / "vllm.json").write_text(lines + "\n", encoding="utf-8")
    (folder / "vllm.md").write_text(markdown(results), encoding="utf-8")
    plot(results, folder / "vllm.png")


if __name__ == "__main__":
    sys.exit(main())
