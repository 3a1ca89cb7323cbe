"""Engines for the health canary."""

import asyncio
import ctypes
import json
import os
import threading
import time
from contextlib import suppress

from controlled import Sleeper
from latches import FOLDER, reach, withdrawn

from dynamo_backend_common import Steps

PROBE = {"token_ids": [1, 2], "stop_conditions": {"max_tokens": 1}}


class Probed(Sleeper):
    """Leaves a latch for its first probe, and counts them; wedges while the latch ``wedged`` is."""

    def __init__(self):
        super().__init__()
        self.probes = 0
        self.finished = 0

    async def health_check_payload(self):
        reach("asked")
        return PROBE

    async def supported_controls(self):
        return [*await super().supported_controls(), "probes"]

    async def engine_control(self, name, body):
        if name == "probes":
            return {"begun": self.probes, "finished": self.finished}
        return await super().engine_control(name, body)

    async def cleanup(self):
        reach("cleanup-with", f"{self.probes - self.finished} probes")
        await super().cleanup()

    async def generate(self, request, context):
        if not request.get("_HEALTH_CHECK"):
            async for chunk in super().generate(request, context):
                yield chunk
            return
        self.probes += 1
        try:
            reach("probe", json.dumps(request, default=list))
            if (FOLDER / "wedged").exists():
                reach("wedges")
                await withdrawn("wedged")
            if (FOLDER / "failing").exists():
                raise RuntimeError("a probe's failure")
            for token in request["token_ids"]:
                yield {"token_ids": [token]}
                # A first token is no answer.
                await withdrawn("halting")
            yield {"token_ids": [], "finish_reason": "length"}
        finally:
            self.finished += 1


class Halting(Probed):
    """While the latch ``halting`` is, traffic gets its first token and no more."""

    async def generate(self, request, context):
        if request.get("_HEALTH_CHECK"):
            async for chunk in super().generate(request, context):
                yield chunk
            return
        yield {"token_ids": request["token_ids"][:1]}
        await withdrawn("halting")
        yield {"token_ids": [], "finish_reason": "stop"}


class AbortsForLong(Probed):
    """The abort of a probe does not return."""

    def __init__(self):
        super().__init__()
        self.aborting = 0

    async def abort(self, context):
        self.aborting += 1
        reach("aborts")
        try:
            await withdrawn("wedged")
        finally:
            self.aborting -= 1

    async def drain(self):
        reach("drain-with", f"{self.aborting} aborts")


class BlocksItsThread(Probed):
    """A synchronous engine whose probes block while the latch ``wedged`` is."""

    def generate(self, request, context):
        self.probes += 1
        try:
            if (FOLDER / "wedged").exists():
                reach("wedges")
            while (FOLDER / "wedged").exists():
                time.sleep(0.01)
            yield {"token_ids": [1], "finish_reason": "stop"}
        finally:
            self.finished += 1


class Shielded(Probed):
    """Its probes do not heed their cancellation while the latch ``wedged`` is."""

    async def generate(self, request, context):
        self.probes += 1
        while (FOLDER / "wedged").exists():
            reach("wedges")
            with suppress(asyncio.CancelledError):
                await withdrawn("wedged")
        self.finished += 1
        yield {"token_ids": [1], "finish_reason": "stop"}


class Stepping(Probed):
    """Its step loop hangs while the latch ``wedged`` is."""

    def __init__(self):
        super().__init__()
        self.steps = Steps()

    async def generate(self, request, context):
        self.probes += 1
        stream = self.steps.open(context)
        threading.Thread(target=self.step, args=(stream.id,), daemon=True).start()
        return stream

    def step(self, stream):
        if (FOLDER / "wedged").exists():
            reach("wedges")
        while (FOLDER / "wedged").exists():
            time.sleep(0.01)
        self.finished += 1
        self.steps.push([(stream, 1, "stop")])


class Forgets(Stepping):
    """While the latch ``wedged`` is, its step loop has nothing; who is aborted is let go."""

    def step(self, stream):
        if (FOLDER / "wedged").exists():
            reach("wedges")
        else:
            super().step(stream)

    async def abort(self, context):
        self.finished += 1


class ErrorInAChunk(Probed):
    async def generate(self, request, context):
        reach("probe")
        yield {"token_ids": [], "finish_reason": "error: inside a chunk"}


class HoldsTheLoop(Probed):
    """A probe blocks the event loop while the latch ``wedged`` is."""

    async def generate(self, request, context):
        while (FOLDER / "wedged").exists():
            time.sleep(0.02)  # noqa: ASYNC251 (that is the fault)
        yield {"token_ids": [1], "finish_reason": "stop"}


class HoldsTheGil(Probed):
    """A probe holds the GIL in C while the test's fifo has nothing to read."""

    def __init__(self):
        super().__init__()
        self.fifo = os.open(FOLDER / "fifo", os.O_RDWR)

    async def generate(self, request, context):
        if (FOLDER / "wedged").exists():
            reach("holding")
            ctypes.PyDLL(None).read(self.fifo, ctypes.create_string_buffer(1), 1)
        yield {"token_ids": [1], "finish_reason": "stop"}


class Ready(Probed):
    """Answers a probe at once, and traffic token by token until the test has enough."""

    async def generate(self, request, context):
        if request.get("_HEALTH_CHECK"):
            self.probes += 1
            self.finished += 1
            yield {"token_ids": [1], "finish_reason": "stop"}
            return
        while not (FOLDER / "enough").exists():
            yield {"token_ids": request["token_ids"][:1]}
            await asyncio.sleep(0.02)
        yield {"token_ids": [], "finish_reason": "stop"}


class NoObject(Probed):
    async def health_check_payload(self):
        return [1, 2]


class PayloadRaises(Probed):
    async def health_check_payload(self):
        raise RuntimeError("no payload here")
