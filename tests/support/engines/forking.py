"""An engine with children, as one that shards a model has."""

import os
import signal
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
            time.sleep(600)
            os._exit(0)
        return await super().start(worker_id)

    async def cleanup(self):
        _, status = os.waitpid(self.child, 0)
        reach("ended", str(os.waitstatus_to_exitcode(status)))


class Spawns(Plain):
    """Its child is a program of its own."""

    async def start(self, worker_id):
        self.child = subprocess.Popen(["sleep", "600"])  # noqa: ASYNC220 (for the child's sake)
        reach("forked", str(self.child.pid))
        return await super().start(worker_id)

    async def cleanup(self):
        reach("ended", str(self.child.wait()))


class InstallsHandlers(Plain):
    """Takes the two signals for itself, as libraries do that think they own the process."""

    async def start(self, worker_id):
        for which in (signal.SIGTERM, signal.SIGINT):
            signal.signal(which, lambda number, frame: reach("its-own-handler"))
        return await super().start(worker_id)

    async def cleanup(self):
        reach("cleanup")


class InstallsLoopHandlers(InstallsHandlers):
    async def start(self, worker_id):
        import asyncio

        for which in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(which, reach, "its-own-handler")
        return await Plain.start(self, worker_id)
