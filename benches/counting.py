"""Counts what a worker does, by ``perf stat``: system calls, and how often which thread takes the
GIL (a probe on CPython's ``take_gil``, in the library or the program that the worker has mapped).

Both need root. Where they cannot be had, the counts are left out.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker import WorkerProcess

_SYSTEM_CALLS = "raw_syscalls:sys_enter"
_TAKE_GIL = "dynamo_bench:take_gil"


class Counters:
    """Counters of one worker, for one run of the load client, which opens and closes them."""

    def __init__(self, worker: WorkerProcess, folder: Path) -> None:
        self._worker = worker
        self._folder = folder
        self._running: list[_Perf] = []

    def __enter__(self) -> Counters:
        pid = str(self._worker.pid)
        if shutil.which("perf") is None or os.geteuid() != 0:
            return self
        self._running.append(_Perf(self._folder / "calls", pid, _SYSTEM_CALLS))
        if self._worker.arm.python and _probe(self._worker.pid):
            # The first thread is the event loop's.
            for name, threads in (
                ("foreign", f"common_pid != {pid}"),
                ("loop", f"common_pid == {pid}"),
            ):
                self._running.append(_Perf(self._folder / name, pid, _TAKE_GIL, threads))
        return self

    def __exit__(self, *raised: object) -> None:
        for perf in self._running:
            perf.stop()

    def plans(self) -> list[dict[str, str]]:
        """The part of the load client's plan that names the counters."""
        return [perf.plan() for perf in self._running]

    def per_token_and_request(self, report: dict[str, Any]) -> dict[str, float]:
        """What was counted, after the run; what could not be is left out."""
        counted = {perf.name: perf.count() for perf in self._running}
        tokens, requests = max(report["tokens"], 1), max(report["requests"], 1)
        found = {}
        if counted.get("calls") is not None:
            found["system_calls_per_token"] = counted["calls"] / tokens
        if counted.get("foreign") is not None and counted["loop"] is not None:
            found["foreign_gil"] = counted["foreign"]
            found["foreign_gil_per_token"] = counted["foreign"] / tokens
            found["foreign_gil_per_request"] = counted["foreign"] / requests
            found["loop_gil_per_token"] = counted["loop"] / tokens
        return {name: round(value, 4) for name, value in found.items()}


class _Perf:
    """One ``perf stat`` that counts when it is told."""

    def __init__(self, path: Path, pid: str, event: str, threads: str | None = None) -> None:
        self.name = path.name
        self._control, self._acknowledgement = (path.with_suffix(end) for end in (".ctl", ".ack"))
        self._output = path.with_suffix(".csv")
        for fifo in (self._control, self._acknowledgement):
            fifo.unlink(missing_ok=True)
            os.mkfifo(fifo)
        command = ["perf", "stat", "-x", ",", "-o", str(self._output), "-D", "-1", "-p", pid]
        command += ["--control", f"fifo:{self._control},{self._acknowledgement}", "-e", event]
        if threads is not None:
            command += ["--filter", threads]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        # It has no other way to say that it is attached.
        time.sleep(0.5)

    def plan(self) -> dict[str, str]:
        return {"control": str(self._control), "acknowledgement": str(self._acknowledgement)}

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def count(self) -> int | None:
        for line in self._output.read_text().splitlines():
            count = line.partition(",")[0]
            if count.isdigit():
                return int(count)
        return None


def _probe(pid: int) -> bool:
    """Puts the probe where the worker's interpreter is; whether that was possible."""
    mapped = re.findall(r"(/\S*(?:libpython3\S*|python3\.\d+))$", _maps(pid), re.MULTILINE)
    libraries = sorted(set(mapped), key=lambda path: "libpython" not in path)
    subprocess.run(["perf", "probe", "-q", "-d", _TAKE_GIL], stderr=subprocess.DEVNULL)
    return any(
        subprocess.run(
            ["perf", "probe", "-q", "-x", library, f"{_TAKE_GIL}=take_gil"],
            stderr=subprocess.DEVNULL,
        ).returncode
        == 0
        for library in libraries
    )


def _maps(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()
