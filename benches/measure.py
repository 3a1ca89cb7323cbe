"""One load on one worker."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker import CLIENT_CORE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cells import Cell
    from worker import WorkerProcess

_TIMEOUT_SECONDS = 90


class LoadError(Exception):
    """The load failed; the message says on which worker, and why."""


def measure(
    worker: WorkerProcess, cell: Cell, warm_up: float, window: float, **more: Any
) -> dict[str, Any]:
    """What the load client reports (``load/src/bin/load/report.rs``)."""
    plan = cell.plan() | {
        "namespace": worker.namespace,
        "pid": worker.pid,
        "warm_up": max(warm_up, cell.warm_up),
        "window": window,
        **more,
    }
    load = Path(os.environ["BENCH_BINARIES"]) / "load"
    command = ["taskset", "-c", CLIENT_CORE, str(load), json.dumps(plan)]
    return reported(worker.arm.name, command, worker.environment, worker.log)


def reported(
    name: str, command: list[str], env: dict[str, str] | None = None, log: Callable[[], str] = str
) -> dict[str, Any]:
    """What a program prints as JSON; ``name`` is whose figures they are.

    Raises:
        LoadError: It fails, or is not done in time; ``log`` is asked for what may say why.
    """
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True
        )
    except subprocess.CalledProcessError as failed:
        problem = f"ended with status {failed.returncode}: {failed.stderr}"
    except subprocess.TimeoutExpired:
        problem = f"not done in {_TIMEOUT_SECONDS} s; --warm-up and --window are part of these"
    else:
        report: dict[str, Any] = json.loads(done.stdout)
        return report
    raise LoadError(f"{name}: {problem}\n{log()}")


@contextmanager
def locked(path: str | None) -> Iterator[None]:
    """Holds the lock of a file that others lock while they load the machine."""
    if path is None:
        yield
        return
    with Path(path).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
