"""A worker with the engine ``vllm`` and the tiny model, and all that belongs to it."""

from __future__ import annotations

import random
import re
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import psutil

from .launcher import NOTHING
from .metrics import sample
from .processes import until
from .system import SERVING, System
from .tiny_model import BLOCK as BLOCK
from .tiny_model import CONTEXT as CONTEXT
from .tiny_model import ENGINE as ENGINE
from .tiny_model import LOADING as LOADING
from .tiny_model import MODEL as MODEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .api import Api
    from .launcher import Launcher
    from .processes import Process

NAME = "tiny"
"""What the model is served as."""
PATHS = ("socket", "steps", "generate")
PROMPTS = [
    random.Random(length).choices(range(4, 490), k=length)
    for length in (4, 7, 31, 33, 64, 65, 97, 110)
]
"""Some shorter than a block, some longer, and none that begins as another."""
_SHARED = Path("/dev/shm")


class Family:
    """A process with all that it starts, and what they have in shared memory; ends by itself."""

    def __init__(self, pid: int) -> None:
        self._members = {psutil.Process(pid)}
        self._shared: set[Path] = set()
        self._ended = Event()
        self._looker = Thread(target=self._look_on, daemon=True)
        self._looker.start()

    def named(self, name: str) -> psutil.Process:
        """The only one that is there and has this in its command line."""
        self._look()
        [found] = [each for each in self._alive() if name in _command(each)]
        return found

    def left(self, patience: float = 30) -> list[str]:
        """What is still there of an ended family: processes, and files of shared memory."""
        self._ended.set()
        self._looker.join()
        end = time.monotonic() + patience
        while (found := self._found()) and time.monotonic() < end:
            time.sleep(0.1)
        return found

    def _found(self) -> list[str]:
        processes = [f"{each.pid} {_command(each)}" for each in self._alive()]
        return processes + [str(path) for path in self._shared if path.exists()]

    def _alive(self) -> list[psutil.Process]:
        return [each for each in self._members if _is_alive(each)]

    def _look_on(self) -> None:
        while not self._ended.wait(0.3):
            self._look()

    def _look(self) -> None:
        for member in list(self._members):
            with suppress(psutil.Error, OSError):
                self._members.update(member.children(recursive=True))
                maps = Path(f"/proc/{member.pid}/maps").read_text()
                self._shared.update(map(Path, re.findall(rf"{_SHARED}/\S+", maps)))


class VllmWorker:
    """A worker that loads, and serves after `wait`."""

    def __init__(
        self,
        launcher: Launcher,
        *engine_args: str,
        engine: str = "vllm",
        path: str = "auto",
        options: tuple[str, ...] = (),
        model: str = str(MODEL),
        env: Mapping[str, str] = NOTHING,
    ) -> None:
        """Starts it, with discovery by files and a system server.

        ``options`` are the worker's, ``engine_args`` vLLM's, beside those that all tests use.
        """
        port = launcher.ports.reserve()
        # Short, for the sockets in it.
        self.folder = Path(tempfile.mkdtemp())
        self.path = path
        self.process: Process = launcher.command(
            "serve",
            engine,
            *("--discovery-backend", "file", "--served-model-name", NAME),
            *options,
            "--",
            *("--model", model, "--token-path", path, *ENGINE, *engine_args),
            env={"DYN_SYSTEM_PORT": str(port), "TMPDIR": str(self.folder), **env},
        )
        self.family = Family(self.process.pid)
        self.system = System(port)

    def wait(self) -> None:
        """Waits until it serves, also beside traffic that takes all processors."""
        self.process.wait_for_line(SERVING, patience=4 * LOADING)

    def ended(self) -> int:
        """Waits for the end, also of one that may be loading; returns the exit status."""
        until(lambda: not self.process.alive, "the worker ends", LOADING)
        return self.process.wait()

    @property
    def core(self) -> psutil.Process:
        """The process of vLLM's engine core."""
        return self.family.named("VLLM::EngineCore")

    def leaves_nothing(self) -> None:
        """Of a worker that has ended: neither processes nor files are left of it."""
        assert self.family.left() == []
        # Torch keeps a folder for what it compiles, and does not use it; by the file vLLM's
        # processes find each other, and a core that is killed leaves it.
        left = [path.name for path in self.folder.iterdir()]
        assert all(name.startswith(("torchinductor", "vllm_dist_")) for name in left), left


@dataclass(frozen=True)
class Served:
    """A worker behind Dynamo's own frontend, which routes by KV events."""

    launcher: Launcher
    worker: VllmWorker
    api: Api


def becomes_idle(worker: VllmWorker) -> None:
    """Waits until vLLM has no request, and no block that a request holds."""

    def idle() -> bool:
        text = worker.system.get("/metrics").text
        gauges = ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")
        return all(sample(text, f"vllm:{gauge}") == 0 for gauge in gauges)

    until(idle, "vLLM has no request, and no block that a request holds")


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _command(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline()) or process.name()
    return ""
