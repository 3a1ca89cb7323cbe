"""Worker processes, pinned to the first core."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from arms import Arm

WORKER_CORE, CLIENT_CORE = "0", "1"
_PREFIXES = ("DYN_", "DYNAMO_", "ETCD_", "NATS_", "OTEL_", "PYTHON", "TOKIO_")


def environment(folder: Path) -> dict[str, str]:
    """That of all workers and of the client: TCP plane, discovery by files, nothing else."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_PREFIXES)
    }
    return inherited | {
        "DYN_DISCOVERY_BACKEND": "file",
        "DYN_FILE_KV": str(folder / "discovery"),
        "DYN_REQUEST_PLANE": "tcp",
        "DYN_EVENT_PLANE": "zmq",
        "DYN_TCP_RPC_HOST": "127.0.0.1",
        "DYN_TCP_RESPONSE_STREAM_HOST": "127.0.0.1",
        "DYN_SYSTEM_HOST": "127.0.0.1",
        "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "0",
        "DYN_LOG": "warn",
        "HF_HUB_OFFLINE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class WorkerProcess:
    """A worker that runs."""

    def __init__(self, arm: Arm, folder: Path) -> None:
        self.arm = arm
        self.namespace = "".join(letter if letter.isalnum() else "-" for letter in arm.name)
        self.environment = environment(folder) | arm.environment
        self._log = folder / f"{self.namespace}.log"
        command = ["taskset", "-c", WORKER_CORE, *arm.command, self.namespace, *arm.arguments]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.pid = self._process.pid

    def log(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """Asks it to end; kills it where it does not."""
        self._process.terminate()
        deadline = time.monotonic() + 10
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
