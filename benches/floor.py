"""The floor under every Python arm: the engine's own generator, without a worker."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from arms import WORKERS
from measure import reported
from worker import WORKER_CORE

if TYPE_CHECKING:
    from cells import Cell

FLOOR = "floor, async generator alone"
GROUPS = ("tokens", "steps")


def floor(cell: Cell, warm_up: float, window: float) -> dict[str, float]:
    """The figures of one repetition.

    Raises:
        LoadError: There are none.
    """
    load = cell.plan() | {"warm_up": warm_up, "window": window}
    command = ["taskset", "-c", WORKER_CORE, os.environ["BENCH_PYTHON"], str(WORKERS / "floor.py")]
    report = reported(FLOOR, [*command, json.dumps(load)])
    return {
        "tokens_per_second": report["tokens"] / report["seconds"],
        "cpu_micros_per_token": report["cpu_nanos"] / max(report["tokens"], 1) / 1000,
    }
