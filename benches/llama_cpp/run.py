"""Measures the engine llama-cpp beside llama.cpp's own server: same file, libraries and load.

Called by ``make bench-llama-cpp``; ``ARGS="--quick"`` takes some minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from arms import ARMS, Arm
from load import PROMPTS, load
from machine import description
from report import markdown
from results import spread
from servers import Servers

RESULTS = Path(__file__).parents[1] / "results"
REQUESTS = {1: 4, 4: 3, 16: 2}
"""By the number of clients: how many requests each of them sends, in one turn."""


def main() -> int:
    """Does what the command line says; returns the exit status."""
    options = _options()
    # Servers are stopped also where this is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    found: dict[tuple[str, int, str], list[dict[str, float]]] = defaultdict(list)
    arms = [arm for arm in ARMS if not options.only or arm.key in options.only]
    programs = {
        "python": os.environ["BENCH_PYTHON"],
        "server": os.environ["BENCH_LLAMA_SERVER"],
        "model": os.environ["BENCH_MODEL"],
    }
    seed = 1
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Servers(arms, programs, options.threads, Path(folder)) as servers,
    ):
        for repetition in range(options.repetitions):
            turn = repetition % len(arms)
            for kind in PROMPTS:
                for clients, requests in REQUESTS.items():
                    count = 1 if options.quick else requests
                    for arm in arms[turn:] + arms[:turn]:
                        got = _measure(servers, arm, kind, clients, count, seed)
                        found[kind, clients, arm.name].append(got)
                        print(
                            f"{time.strftime('%H:%M:%S')} {repetition + 1}/{options.repetitions}"
                            f" {kind} {clients} {arm.name}: "
                            + ", ".join(f"{name} {value:,.2f}" for name, value in got.items()),
                            flush=True,
                        )
                    # The same prompts for all, and no others' again.
                    seed += clients * count + 1
            _write(options, found)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter turns, and fewer")
    parser.add_argument("--only", action="append", help="an arm's key; may be repeated")
    parser.add_argument("--repetitions", type=int, help="default: 5, with --quick 2")
    parser.add_argument(
        "--threads", type=int, default=max((os.cpu_count() or 2) - 1, 1), help="of llama.cpp"
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    options.repetitions = options.repetitions or (2 if options.quick else 5)
    return options


def _measure(
    servers: Servers, arm: Arm, kind: str, clients: int, requests: int, seed: int
) -> dict[str, float]:
    before = servers.cpu_seconds(arm)
    clocked = asyncio.run(load(servers.ports[arm.key], kind, clients, requests, seed))
    used = servers.cpu_seconds(arm) - before
    return {
        "tokens_per_second": clocked.tokens / clocked.seconds,
        "first_token_p50_ms": statistics.median(clocked.first) * 1000,
        "cpu_millis_per_token": used / clocked.tokens * 1000,
        "prefix_hits": clocked.cached / clocked.asked,
        "memory_mb": servers.memory(arm),
    }


def _write(
    options: argparse.Namespace, found: dict[tuple[str, int, str], list[dict[str, float]]]
) -> None:
    results = {
        "machine": description() | {"threads": str(options.threads)},
        "loads": [
            {
                "prompts": kind,
                "clients": clients,
                "arm": arm,
                "repetitions": len(runs),
                "figures": spread(runs),
            }
            for (kind, clients, arm), runs in found.items()
        ],
    }
    options.output.mkdir(parents=True, exist_ok=True)
    lines = json.dumps(results, indent=1)
    (options.output / "llama_cpp.json").write_text(lines + "\n", encoding="utf-8")
    (options.output / "llama_cpp.md").write_text(markdown(results), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
