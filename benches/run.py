"""Measures every arm under every load, and writes a table, its figures and a plot.

Called by ``make bench``; ``ARGS="--quick"`` takes a few minutes.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cells
from arms import arms
from cells import PLAIN, QUIC, SPIN, Cell
from counting import Counters
from floor import FLOOR, GROUPS, floor
from footprint import footprint
from machine import description
from measure import LoadError, locked, measure
from plot import plot
from report import markdown
from results import figures, summary
from worker import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Does what the command line says; returns the exit status."""
    options = _options()
    # Workers are stopped also where this is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    loads = cells.quick() if options.quick else cells.full()
    loads = [cell for cell in loads if not options.only or cell.group in options.only]
    found: dict[tuple[Cell, str], list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for repetition in range(options.repetitions):
            for variant in (PLAIN, SPIN, QUIC):
                chosen = [cell for cell in loads if cell.variant == variant]
                if chosen:
                    _repeat(options, repetition, variant, chosen, Path(folder), found)
            _write(options, found, [])
        counts = _count(options, Path(folder)) if options.count else []
    _write(options, found, counts)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the most important loads only")
    parser.add_argument("--only", action="append", help="a group of loads; may be repeated")
    parser.add_argument("--repetitions", type=int, help="default: 5, with --quick 3")
    parser.add_argument("--window", type=float, help="seconds; default: 3, with --quick 2")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds; default: 1")
    parser.add_argument("--lock", help="a file to lock during each repetition")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--no-count", dest="count", action="store_false")
    options = parser.parse_args()
    options.repetitions = options.repetitions or (3 if options.quick else 5)
    options.window = options.window or (2 if options.quick else 3)
    return options


def _workers(variant: str, folder: Path) -> list[WorkerProcess]:
    change = {
        PLAIN: lambda arm: arm,
        SPIN: lambda arm: arm.beside_a_spinning_thread(),
        QUIC: lambda arm: arm.with_quic(),
    }[variant]
    return [WorkerProcess(change(arm), folder) for arm in arms()]


def _repeat(
    options: argparse.Namespace,
    repetition: int,
    variant: str,
    loads: list[Cell],
    folder: Path,
    found: dict[tuple[Cell, str], list[dict[str, float]]],
) -> None:
    """Every load on every arm, once, with fresh workers; who is first changes."""
    if variant == SPIN:
        # One at a time: each would have the core to itself.
        for arm in arms():
            worker = WorkerProcess(arm.beside_a_spinning_thread(), folder)
            try:
                _measure_all(options, repetition, loads, [worker], found)
            finally:
                worker.stop()
        return
    if variant == PLAIN:
        for cell in loads:
            if cell.group in GROUPS:
                with _alone(options):
                    got = floor(cell, options.warm_up, options.window)
                    found[cell, FLOOR].append(got)
    workers = _workers(variant, folder)
    try:
        _measure_all(options, repetition, loads, workers, found)
    finally:
        for worker in workers:
            worker.stop()


def _measure_all(
    options: argparse.Namespace,
    repetition: int,
    loads: list[Cell],
    workers: list[WorkerProcess],
    found: dict[tuple[Cell, str], list[dict[str, float]]],
) -> None:
    for number, cell in enumerate(loads):
        turn = (repetition + number) % len(workers)
        for worker in workers[turn:] + workers[:turn]:
            if not cell.has(worker.arm):
                continue
            with _alone(options):
                report = measure(worker, cell, options.warm_up, options.window)
                got = figures(report, python=worker.arm.python)
                found[cell, worker.arm.name].append(got)
                print(
                    f"{time.strftime('%H:%M:%S')} {repetition + 1}/{options.repetitions}"
                    f" {cell.group} {cell.streams} {cell.pace} {worker.arm.name}:"
                    f" {got['tokens_per_second']:,.0f} tokens/s,"
                    f" {got['cpu_micros_per_token']:.2f} µs/token",
                    flush=True,
                )


@contextmanager
def _alone(options: argparse.Namespace) -> Iterator[None]:
    """Others are kept from the machine meanwhile. A load that fails is told, and has no figures."""
    try:
        with locked(options.lock):
            yield
    except LoadError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)


def _count(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """System calls and GIL acquisitions, in runs of their own: counting costs time."""
    counts = []
    for arm in arms():
        worker = WorkerProcess(arm, folder)
        try:
            # Only a worker that serves has what is probed.
            measure(worker, cells.counted()[0], 0.2, 0.2)
            for cell in cells.counted():
                with locked(options.lock), Counters(worker, folder) as counters:
                    report = measure(worker, cell, options.warm_up, 2.0, perf=counters.plans())
                counted = counters.per_token_and_request(report)
                counts.append(
                    {"arm": arm.name, "streams": cell.streams, "pace": cell.pace, **counted}
                )
                print(counts[-1], flush=True)
        except LoadError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
        finally:
            worker.stop()
    return counts


def _write(
    options: argparse.Namespace,
    found: dict[tuple[Cell, str], list[dict[str, float]]],
    counts: list[dict[str, Any]],
) -> None:
    results = {
        "machine": description(),
        "loads": [summary(cell, arm, runs) for (cell, arm), runs in found.items()],
        "counts": counts,
        "footprint": footprint(),
    }
    options.output.mkdir(parents=True, exist_ok=True)
    lines = json.dumps(results, indent=1).replace("[\n    ", "[")
    (options.output / "results.json").write_text(lines + "\n", encoding="utf-8")
    (options.output / "table.md").write_text(markdown(results), encoding="utf-8")
    plot(results, options.output / "plot.png")


if __name__ == "__main__":
    sys.exit(main())
