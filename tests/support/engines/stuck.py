"""Engines that keep a shutdown, or the end of the process, from ending."""

import asyncio
import atexit
import ctypes
import os
import sys
import threading
import time

from latches import reach
from lifecycles import Recorded


def hold_the_gil():
    """Reads in C what nobody writes; PyDLL keeps the GIL, and no signal ends the call."""
    nobody_writes, _ = os.pipe()
    ctypes.PyDLL(None).read(nobody_writes, ctypes.create_string_buffer(1), 1)


class CleanupHangs(Recorded):
    async def cleanup(self):
        await super().cleanup()
        await asyncio.Event().wait()


class CleanupBlocksTheLoop(Recorded):
    async def cleanup(self):
        await super().cleanup()
        time.sleep(600)  # noqa: ASYNC251 (what must not hold up the deadline)


class CleanupHoldsTheGil(Recorded):
    async def cleanup(self):
        await super().cleanup()
        hold_the_gil()


class CleanupIgnoresCancellation(Recorded):
    async def cleanup(self):
        await super().cleanup()
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                continue


class CleanupPrintsALot(Recorded):
    """Waits for whoever reads its standard output."""

    async def cleanup(self):
        await super().cleanup()
        sys.stdout.write("line\n" * 100_000)


class StartHoldsTheGil(Recorded):
    async def start(self, worker_id):
        config = await super().start(worker_id)
        reach("starting")
        hold_the_gil()
        return config


class GenerateHoldsTheGil(Recorded):
    async def generate(self, request, context):
        reach("generating")
        hold_the_gil()
        yield {}


class ExitHookHangs(Recorded):
    async def cleanup(self):
        await super().cleanup()
        atexit.register(time.sleep, 600)


class ThreadStays(Recorded):
    """The interpreter waits in the end for a thread that is no daemon."""

    async def cleanup(self):
        await super().cleanup()
        threading.Thread(target=time.sleep, args=[600]).start()


class ExecutorStays(Recorded):
    """The event loop waits in the end for what its executor still runs."""

    async def cleanup(self):
        await super().cleanup()
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)
