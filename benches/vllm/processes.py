"""The processes of one comparison: all workers, and Dynamo's own frontend in front of them."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from served import wait_until_served
from worker import environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arms import Arm

_PATIENCE = 600.0
_TICK = os.sysconf("SC_CLK_TCK")


class Processes:
    """A context manager that starts them, waits until they serve, and ends them."""

    def __init__(self, arms: Sequence[Arm], folder: Path) -> None:
        self.port = _free_port()
        self._folder = folder
        self._environment = environment(folder)
        self._started: list[subprocess.Popen[bytes]] = []
        self._pids: dict[str, int] = {}
        self._arms = arms

    def cpu_seconds(self, arm: Arm) -> float:
        """What the worker's own process has used, without those that it started."""
        stat = Path(f"/proc/{self._pids[arm.model]}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / _TICK

    def __enter__(self) -> Self:
        try:
            frontend = (os.environ["BENCH_FRONTEND_PYTHON"], "-m", "dynamo.frontend")
            listens = ("--http-host", "127.0.0.1", "--http-port", str(self.port))
            planes = ("--discovery-backend", "file", "--request-plane", "tcp")
            self._start("frontend", [*frontend, *listens, *planes])
            for arm in self._arms:
                command = arm.command(os.environ["BENCH_VLLM_PYTHON"], os.environ["BENCH_MODEL"])
                self._pids[arm.model] = self._start(arm.model, command)
                # One after another: each load keeps both cores busy.
                wait_until_served(
                    arm.model,
                    self.port,
                    [4],
                    by=self._started[-1],
                    log=self._log(arm.model),
                    patience=_PATIENCE,
                )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.terminate()
        for process in self._started:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, name: str, command: list[str]) -> int:
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._started.append(process)
        return process.pid

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def _free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port
