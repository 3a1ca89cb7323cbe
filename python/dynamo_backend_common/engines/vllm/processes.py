"""The processes that vLLM starts, and what they leave behind when they are killed."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from .guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHARED = "/dev/shm"
# Python's shared memory and semaphores, by the kind that its resource tracker has them under, and
# NCCL's, of which nobody keeps track.
_KINDS = {"psm_": "shared_memory", "sem.mp-": "semaphore", "nccl-": None}


class Processes:
    """Those of one vLLM, told apart from later ones of the same numbers."""

    def __init__(self) -> None:
        self._known: set[psutil.Process] = set()
        # Inodes: who has made a semaphore has mapped it by a name that is gone.
        self._shared: set[int] = set()
        self._guard: Guard | None = None
        self._adding = threading.Lock()

    def add(self, pids: Iterable[int]) -> None:
        """Adds these processes, and those that they started: they end when this one does."""
        with self._adding:
            before = set(self._known)
            for pid in pids:
                with suppress(psutil.NoSuchProcess):
                    process = psutil.Process(pid)
                    if not _is_resource_tracker(process) and not self._is_guard(pid):
                        self._known.add(process)
            for process in list(self._known):
                with suppress(psutil.Error):
                    self._known.update(process.children(recursive=True))
                    self._shared |= _mapped(process.pid)
            for process in self._known - before:
                self._guard = self._guard or Guard()
                self._guard.watch(process.pid)

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

    def clean_up(self) -> None:
        """Removes the shared memory that those which were killed had no time to remove."""
        if self._guard is not None:
            self._guard.end()
            self._guard = None
        with suppress(OSError):
            for entry in os.scandir(_SHARED):
                kind = next((kind for kind in _KINDS if entry.name.startswith(kind)), None)
                if kind is not None and entry.inode() in self._shared:
                    _remove(entry, _KINDS[kind])

    def _is_guard(self, pid: int) -> bool:
        return self._guard is not None and pid == self._guard.pid


def _remove(entry: os.DirEntry[str], kind: str | None) -> None:
    with suppress(OSError):
        Path(entry.path).unlink()
        if kind is not None:
            # Else Python says at its end that this was leaked.
            resource_tracker.unregister(f"/{entry.name.removeprefix('sem.')}", kind)


def _mapped(pid: int) -> set[int]:
    """Inodes of the shared memory that a process has mapped."""
    with suppress(OSError):
        maps = Path(f"/proc/{pid}/maps").read_text()
        return {int(line.split()[4]) for line in maps.splitlines() if f" {_SHARED}/" in line}
    return set()


def _is_resource_tracker(process: psutil.Process) -> bool:
    """Whether it is Python's own: it is everybody's, and removes shared memory at the end."""
    with suppress(psutil.Error):
        return any("resource_tracker import main" in part for part in process.cmdline())
    return False
