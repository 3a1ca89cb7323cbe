"""Threads for the requests of a synchronous engine: one each, used again, and never waited for."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from ..exceptions import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 256
"""Threads of one worker; a request beyond that waits for one of them."""


class RequestThreads:
    """Runs jobs at once, each in a thread of its own, up to `LIMIT`; the others in their order.

    Unlike those of `concurrent.futures`, the threads are daemons: one that hangs in an engine's
    code does not keep the process from ending.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._jobs: deque[Callable[[], object]] = deque()
        self._idle = 0
        self._count = 0
        self._closed = False

    def run(self, job: Callable[[], object]) -> None:
        """Has a thread call ``job``, which must not raise.

        Raises:
            Unknown: No thread can be started, and there is none to wait for.
        """
        with self._changed:
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._changed.notify()
                return
            if self._count == LIMIT:
                return
            self._count += 1
        try:
            threading.Thread(target=self._work, name="dynamo-request", daemon=True).start()
        except RuntimeError as error:
            if not self._is_left_to_others(job):
                raise Unknown(
                    f"no thread for the request: {error}; raise the limits of this process"
                    " (ulimit -u, the cgroup's pids.max)"
                ) from error

    def withdraw(self, job: Callable[[], object]) -> bool:
        """Takes back what no thread has begun; whether that was so."""
        with self._changed:
            try:
                self._jobs.remove(job)
            except ValueError:
                return False
            return True

    def _is_left_to_others(self, job: Callable[[], object]) -> bool:
        """Gives back the place of a thread that did not start; whether others have the job."""
        with self._changed:
            self._count -= 1
            if self._count > 0 or job not in self._jobs:
                return True
            self._jobs.remove(job)
            return False

    def close(self) -> None:
        """Ends the threads that have nothing to do, and the others when they have nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                while not self._jobs and not self._closed:
                    self._changed.wait()
                self._idle -= 1
                if not self._jobs:
                    self._count -= 1
                    return
                job = self._jobs.popleft()
            job()
            # What the request held goes now, not with the next one.
            del job
