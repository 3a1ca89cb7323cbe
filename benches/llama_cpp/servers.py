"""The servers of one comparison, all at once; one at a time is asked."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from served import wait_until_served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arms import Arm

_PATIENCE = 300.0
_TICK = os.sysconf("SC_CLK_TCK")


class Servers:
    """A context manager that starts them, waits until they serve, and ends them."""

    def __init__(
        self, arms: Sequence[Arm], programs: dict[str, str], threads: int, folder: Path
    ) -> None:
        self._arms = arms
        self._programs = programs
        self._threads = threads
        self._folder = folder
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, int] = {}

    def cpu_seconds(self, arm: Arm) -> float:
        """What a server's process has used so far."""
        stat = Path(f"/proc/{self._started[arm.key].pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / _TICK

    def memory(self, arm: Arm) -> float:
        """What a server's process has in memory, in MB."""
        status = Path(f"/proc/{self._started[arm.key].pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024

    def __enter__(self) -> Self:
        # The threads of both wait in the same way; see the engine's `library`.
        environment = os.environ | {
            "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "passive"),
            "XDG_CACHE_HOME": str(self._folder),
        }
        try:
            for arm in self._arms:
                port = self.ports[arm.key] = _free_port()
                command = arm.command(self._programs, port, self._threads)
                with self._log(arm).open("ab") as log:
                    self._started[arm.key] = subprocess.Popen(
                        command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                    )
                wait_until_served(
                    "model",
                    self.ports[arm.key],
                    [504, 505],
                    by=self._started[arm.key],
                    log=self._log(arm),
                    patience=_PATIENCE,
                )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started.values():
            process.terminate()
        for process in self._started.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, arm: Arm) -> Path:
        return self._folder / f"{arm.key}.log"


def _free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port
