"""The processes that vLLM starts, and what they leave behind when they are killed."""

from __future__ import annotations

import signal
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHARED = Path("/dev/shm")
# Python's shared memory and semaphores, by the kind that its resource tracker has them under, and
# NCCL's, of which nobody keeps track.
_KINDS = {"psm_": "shared_memory", "sem.mp-": "semaphore", "nccl-": None}


class Processes:
    """Those of one vLLM, told apart from later ones of the same numbers."""

    def __init__(self) -> None:
        self._known: set[psutil.Process] = set()
        self._shared: set[str] = set()
        self._shared_before = _shared_memory()

    def add(self, pids: Iterable[int]) -> None:
        """Adds these processes, and those that they started."""
        for pid in pids:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if not _is_resource_tracker(process):
                    self._known.add(process)
        for process in list(self._known):
            with suppress(psutil.Error):
                self._known.update(process.children(recursive=True))
                self._shared |= _mapped(process.pid)

    def add_children_of(self, thread: int) -> None:
        """Adds those that this thread of this process started, by its native id."""
        # Elsewhere vLLM may be starting for another worker. A kernel may be without the file.
        with suppress(OSError):
            children = Path(f"/proc/self/task/{thread}/children").read_text()
            self.add(map(int, children.split()))

    def kill(self, patience: float) -> None:
        """Kills those that are left, and waits for their end for so many seconds."""
        left = [process for process in self._known if process.is_running()]
        for process in left:
            with suppress(psutil.Error):
                # A process that is stopped ends by it too.
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(left, timeout=patience)

    def remove_shared_memory(self) -> None:
        """Removes what those that were killed had no time to remove."""
        for name in self._shared - self._shared_before:
            kind = next(kind for prefix, kind in _KINDS.items() if name.startswith(prefix))
            try:
                (_SHARED / name).unlink()
            except OSError:
                continue
            if kind is not None:
                # Else Python says at its end that this was leaked.
                resource_tracker.unregister(f"/{name.removeprefix('sem.')}", kind)


def _shared_memory() -> set[str]:
    with suppress(OSError):
        return {entry.name for entry in _SHARED.iterdir()}
    return set()


def _mapped(pid: int) -> set[str]:
    """Names of the shared memory of a process that is of one of these kinds."""
    with suppress(OSError):
        maps = Path(f"/proc/{pid}/maps").read_text()
        paths = {line.rpartition(f"{_SHARED}/")[2] for line in maps.splitlines()}
        return {name for name in paths if name.startswith(tuple(_KINDS))}
    return set()


def _is_resource_tracker(process: psutil.Process) -> bool:
    """Whether it is Python's own: it is everybody's, and removes shared memory at the end."""
    with suppress(psutil.Error):
        return any("resource_tracker import main" in part for part in process.cmdline())
    return False
