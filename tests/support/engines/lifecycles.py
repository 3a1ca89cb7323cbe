"""Engines for starts and shutdowns: each leaves a latch for every hook that is called."""

import asyncio

from latches import passed, reach
from plain import Plain

from dynamo_backend_common import EngineConfig


class Recorded(Plain):
    async def start(self, worker_id):
        reach("start")
        return await super().start(worker_id)

    async def drain(self):
        reach("drain")

    async def cleanup(self):
        reach("cleanup")


class StartRaises(Recorded):
    async def start(self, worker_id):
        raise RuntimeError("no weights on this disk")


class StartReturnsDict(Recorded):
    async def start(self, worker_id):
        return {"model": "a dict"}


class StartReturnsNothing(Recorded):
    async def start(self, worker_id):
        pass


class StartReturnsWrongField(Recorded):
    async def start(self, worker_id):
        return EngineConfig(model="wrong", context_length="long")


class StartWaits(Recorded):
    async def start(self, worker_id):
        config = await super().start(worker_id)
        await passed("go")
        reach("start-ends")
        return config


class ControlsWait(Recorded):
    async def supported_controls(self):
        reach("asked")
        await passed("go")
        return []

    async def engine_control(self, control, body):
        raise AssertionError(control)


class Gated(Recorded):
    """Yields a token, waits for the test, then yields the rest of the prompt."""

    async def generate(self, request, context):
        first, *rest = request["token_ids"]
        yield {"token_ids": [first]}
        await passed("go")
        for token in rest:
            yield {"token_ids": [token]}
        yield {"token_ids": [], "finish_reason": "stop"}


class TellsItsRequest(Recorded):
    async def generate(self, request, context):
        reach("request", context.id)
        async for chunk in super().generate(request, context):
            yield chunk


class CleanupRaises(Recorded):
    async def cleanup(self):
        await super().cleanup()
        raise RuntimeError("the cleanup failed")


class DrainRaises(Recorded):
    async def drain(self):
        await super().drain()
        raise RuntimeError("the drain failed")


class GatedAndDrainWaits(Gated):
    async def drain(self):
        await super().drain()
        await passed("drained")


class GatedAndCleanupWaits(Gated):
    async def cleanup(self):
        await super().cleanup()
        await passed("cleaned")


class DrainHangs(Recorded):
    """Says at its cleanup whether its drain was still at work."""

    draining = False

    async def drain(self):
        await super().drain()
        self.draining = True
        try:
            await asyncio.Event().wait()
        finally:
            self.draining = False

    async def cleanup(self):
        reach("beside-drain" if self.draining else "after-drain")
        await super().cleanup()
