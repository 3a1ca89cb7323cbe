"""Engines with children that live as long as they do, as one has that shards a model."""

import multiprocessing
import os
import subprocess
import time

from latches import reach
from plain import Plain


class Forks(Plain):
    """Its child is a copy of the process; what ended it is in the latch ``ended``."""

    async def start(self, worker_id):
        self.child = os.fork()
        if not self.child:
            reach("forked", str(os.getpid()))
            time.sleep(600)  # noqa: ASYNC251 (nobody else is in the child)
            os._exit(0)
        return await super().start(worker_id)

    async def cleanup(self):
        _, status = os.waitpid(self.child, 0)  # noqa: ASYNC222 (nobody is served any more)
        reach("ended", str(os.waitstatus_to_exitcode(status)))


class Spawns(Plain):
    """Its child is a program of its own."""

    async def start(self, worker_id):
        self.child = subprocess.Popen(["sleep", "600"])  # noqa: ASYNC220 (for the child's sake)
        reach("forked", str(self.child.pid))
        return await super().start(worker_id)

    async def cleanup(self):
        reach("ended", str(self.child.wait()))


class Multiprocesses(Plain):
    """Its child is a copy of the process, made by ``multiprocessing``."""

    async def start(self, worker_id):
        self.child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        self.child.start()
        reach("forked", str(self.child.pid))
        return await super().start(worker_id)

    async def cleanup(self):
        self.child.join()
        reach("ended", str(self.child.exitcode))
