"""Engines with children that end within ``start``, as an interpreter does: with its exit hooks."""

import atexit
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from typing import ClassVar

from latches import reach
from plain import Plain


def leave_like_an_interpreter():
    atexit._run_exitfuncs()
    os._exit(0)


class ForksInStart(Plain):
    async def start(self, worker_id):
        child = os.fork()
        if child == 0:
            leave_like_an_interpreter()
        _, status = os.waitpid(child, 0)  # noqa: ASYNC222
        assert status == 0
        reach("child-ended")
        return await super().start(worker_id)


class MultiprocessesInStart(Plain):
    async def start(self, worker_id):
        child = multiprocessing.get_context("fork").Process(target=leave_like_an_interpreter)
        child.start()
        child.join()
        assert child.exitcode == 0
        reach("child-ended")
        return await super().start(worker_id)


def sleep():
    time.sleep(600)


def fork():
    child = os.fork()
    if child == 0:
        sleep()
        os._exit(0)
    return child, lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def multiprocess():
    child = multiprocessing.get_context("fork").Process(target=sleep)
    child.start()
    return child.pid, lambda: child.join() or child.exitcode


def start_a_program():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return child.pid, child.wait


class Parent(Plain):
    """Starts a child in each way, and tells how it ended."""

    ways: ClassVar = {"fork": fork, "multiprocess": multiprocess, "program": start_a_program}

    async def start(self, worker_id):
        for name, way in self.ways.items():
            pid, wait = way()
            reach(name, str(pid))
            threading.Thread(target=self.tell, args=(name, wait), daemon=True).start()
        return await super().start(worker_id)

    def tell(self, name, wait):
        reach(f"{name}-ended", str(wait()))
