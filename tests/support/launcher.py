"""Starts the processes of one test or one module, and ends them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from .api import Api
from .environment import environment
from .latches import Latches
from .ports import Ports
from .processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

SUPPORT = Path(__file__).parent
ENGINES = SUPPORT / "engines"
"""The current folder of every process that is started: engines are found there by their module."""
NOTHING: Mapping[str, str] = MappingProxyType({})

COMMAND = [sys.executable, "-m", "dynamo_backend_common"]


@dataclass(frozen=True)
class Server:
    """A worker with the frontend in its process, ready to answer."""

    process: Process
    api: Api
    model: str


class Launcher:
    """Starts processes that share a folder, latches and ports; a context manager that ends them."""

    def __init__(
        self, folder: Path, settings: Callable[[Path], dict[str, str]] = environment
    ) -> None:
        """``settings`` makes the environment of what is started, from the folder."""
        self.folder = folder
        self._settings = settings
        self.latches = Latches(folder / "latches")
        self.ports = Ports()
        self._started: list[Process] = []

    def start(
        self,
        *command: str,
        cwd: Path = ENGINES,
        env: Mapping[str, str] = NOTHING,
        **streams: int,
    ) -> Process:
        """Starts a command, with ``env`` on top of the tests' environment.

        ``stdout`` and ``stderr`` are descriptors that take the place of what is collected.
        """
        process = Process(command, env=self._settings(self.folder) | dict(env), cwd=cwd, **streams)
        self._started.append(process)
        return process

    def command(
        self,
        *arguments: str,
        cwd: Path = ENGINES,
        env: Mapping[str, str] = NOTHING,
        **streams: int,
    ) -> Process:
        """Starts the package's command line."""
        return self.start(*COMMAND, *arguments, cwd=cwd, env=env, **streams)

    def script(self, name: str, *arguments: str, env: Mapping[str, str] = NOTHING) -> Process:
        """Starts a program of ``scripts`` that uses the package as a library."""
        path = SUPPORT / "scripts" / f"{name}.py"
        # A script finds the engines as it would find modules that are installed.
        return self.start(
            sys.executable, str(path), *arguments, env={"PYTHONPATH": str(ENGINES), **env}
        )

    def serve(
        self,
        engine: str,
        *options: str,
        cwd: Path = ENGINES,
        env: Mapping[str, str] = NOTHING,
    ) -> Server:
        """Serves an engine with the frontend in the same process; waits until it is announced."""
        port = self.ports.reserve()
        process = self.command(
            "serve", engine, "--http-port", str(port), *options, cwd=cwd, env=env
        )
        model = process.wait_for_line(r"^Serving (\S+) on http://\S+/v1").group(1)
        return Server(process, Api(port), model)

    def __enter__(self) -> Launcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._started:
            process.kill()
        self.ports.close()
