"""Engines that install handlers of their own for the signals that a worker has taken."""

import asyncio
import ctypes
import signal
import sys

from latches import passed, reach
from lifecycles import Recorded

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def called(*_):
    reach("thief-called")


class BySignal(Recorded):
    async def start(self, worker_id):
        for number in SIGNALS:
            signal.signal(number, called)
        return await super().start(worker_id)


class ByLoop(Recorded):
    async def start(self, worker_id):
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, called)
        return await super().start(worker_id)


class Ignores(Recorded):
    async def start(self, worker_id):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        return await super().start(worker_id)


class ByPythonsDefaults(Recorded):
    async def start(self, worker_id):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return await super().start(worker_id)


class ThenFails(BySignal):
    async def start(self, worker_id):
        await super().start(worker_id)
        raise RuntimeError("no weights on this disk")


def installed(number):
    """The address of the handler that the process has now."""
    action = ctypes.create_string_buffer(512)
    ctypes.CDLL(None).sigaction(int(number), None, action)
    return int.from_bytes(action[:8], sys.byteorder)


class Later(Recorded):
    """Steals from a task, again when the worker has its handlers back."""

    async def start(self, worker_id):
        self.task = asyncio.create_task(self.steal())
        return await super().start(worker_id)

    async def steal(self):
        await passed("steal")
        workers = [installed(number) for number in SIGNALS]
        for _ in range(3):
            for number in SIGNALS:
                signal.signal(number, called)
            assert workers != [installed(number) for number in SIGNALS]
            while workers != [installed(number) for number in SIGNALS]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        reach("given-up")

    async def cleanup(self):
        self.task.cancel()
        await super().cleanup()
