"""Engines with children that end within ``start``, as an interpreter does: with its exit hooks."""

import atexit
import multiprocessing
import os

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
