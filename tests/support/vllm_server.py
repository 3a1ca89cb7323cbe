"""vLLM's own gRPC server with the tiny model, on the CPU."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

from .api import connection_closed
from .frontend import CACHE
from .metrics import samples
from .ports import LOOPBACK
from .processes import PATIENCE, until
from .tiny_model import ENGINE, LOADING, MODEL

if TYPE_CHECKING:
    from .launcher import Launcher

RELEASE = "0.32.0"
_RS = CACHE / f"vllm-rs-{RELEASE}"
_PYTHON = CACHE / f"vllm-{RELEASE}" / "bin" / "python"


class VllmServer:
    """The server; its engine tells of its KV cache by ZMQ."""

    def __init__(self, launcher: Launcher) -> None:
        assert _PYTHON.is_file(), f"vLLM {RELEASE} is not installed: run `make vllm-env`"
        self.grpc = launcher.ports.reserve()
        self.http = launcher.ports.reserve()
        events = {
            "enable_kv_cache_events": True,
            "publisher": "zmq",
            # One that vLLM binds, and that is not seen from elsewhere. Short, for a socket.
            "endpoint": f"ipc://{tempfile.mkdtemp()}/events",
        }
        self.process = launcher.start(
            *(str(_RS / "vllm-rs"), "serve", str(MODEL), "--python", str(_PYTHON)),
            *("--grpc-port", str(self.grpc), "--port", str(self.http)),
            "--",
            *(*ENGINE, "--kv-events-config", json.dumps(events)),
            cwd=launcher.folder,
            env={"PYTHONPATH": str(_RS / "metadata")},
        )

    def wait(self) -> None:
        """Waits until it listens: three processes import torch, one after another."""
        self.process.wait_for_line("gRPC server is ready", patience=2 * LOADING)

    def kill(self) -> None:
        """Ends it, and the engine that it has started in a session of its own."""
        for pid in _descendants(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()

    def running(self) -> float:
        """How many requests it has."""
        connection = HTTPConnection(LOOPBACK, self.http, timeout=PATIENCE)
        with connection_closed(connection):
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        return sum(value for _, value in samples(text, "vllm:num_requests_running"))

    def becomes_idle(self) -> None:
        """Waits until it has no request."""
        until(lambda: self.running() == 0, "vLLM has no request")


def _descendants(pid: int) -> list[int]:
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text().split()
    ]
    return children + [each for child in children for each in _descendants(child)]
