"""A sidecar under test: its server, and the worker that serves it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .frontend import CACHE
from .launcher import NOTHING, SUPPORT, Launcher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .launcher import Server
    from .processes import Process

SITE = CACHE / "sidecars"
"""Where the wheel of the sidecars is installed, beside the environment of the tests."""
FOUND: Mapping[str, str] = {"PYTHONPATH": str(SITE)}
"""How a process finds it there."""

_TESTS = SUPPORT.parent
_INTEROP = _TESTS.parent / "interop"
_PROTOS = {"sglang": "dynamo-sglang-sidecar", "trtllm": "dynamo-trtllm-sidecar"}


@dataclass(frozen=True)
class Kind:
    """A sidecar whose server is one of the tests'."""

    name: str

    def engine(self) -> str:
        return f"dynamo_sidecars:{self.name}"

    def arguments(self, model: str, port: int, *arguments: str) -> list[str]:
        """What follows ``--``: where the server is, and what else this sidecar wants to know."""
        own = ["--model-path", model] if self.name == "trtllm" else []
        return ["--", "--grpc-endpoint", f"127.0.0.1:{port}", *own, *arguments]


KINDS = [Kind("sglang"), Kind("trtllm")]


def start_server(
    launcher: Launcher, kind: Kind, port: int, model: str, *, delay: float = 0.0, mode: str = "null"
) -> Process:
    """Starts the server, and waits until it listens. Each token comes after ``delay`` seconds."""
    server = launcher.start(
        sys.executable,
        *("-m", f"support.sidecar_servers.{kind.name}", "--port", str(port)),
        *("--protos", str(_protos(_PROTOS[kind.name])), "--model", model),
        *("--delay", str(delay), "--mode", mode),
        cwd=launcher.folder,
        env={"PYTHONPATH": str(_TESTS)},
    )
    server.wait_for_line("^listening$")
    return server


def serve(
    launcher: Launcher,
    kind: Kind,
    model: str,
    *options: str,
    delay: float = 0.0,
    env: Mapping[str, str] = NOTHING,
) -> tuple[Process, Server]:
    """The server of a sidecar, and its worker with the frontend in its process."""
    port = launcher.ports.reserve()
    server = start_server(launcher, kind, port, model, delay=delay)
    worker = launcher.serve(
        kind.engine(),
        *("--served-model-name", "served", *options),
        *kind.arguments(model, port),
        env={**FOUND, **env},
    )
    return server, worker


@cache
def _protos(package: str) -> Path:
    """The folder of the protos that the sidecar itself was compiled with."""
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"]
    told = subprocess.run(command, cwd=_INTEROP, env=os.environ, capture_output=True, check=True)
    packages = json.loads(told.stdout)["packages"]
    [manifest] = [each["manifest_path"] for each in packages if each["name"] == package]
    return Path(manifest).with_name("proto")
