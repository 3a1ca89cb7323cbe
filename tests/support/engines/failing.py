"""Engines that say by ``watch`` that they can serve no more."""

import asyncio
import threading
from contextlib import suppress

from latches import passed, reach
from lifecycles import Gated, Recorded

from dynamo_backend_common import EngineShutdown, Steps


class Fails(Gated):
    """Fails when the latch ``fail`` is released; its requests wait for the test."""

    async def watch(self):
        await passed("fail")
        raise RuntimeError("the device is lost")


class FailsTyped(Gated):
    async def watch(self):
        await passed("fail")
        raise EngineShutdown("the device is lost")


class FailsAtOnce(Recorded):
    async def watch(self):
        raise RuntimeError("the device is lost")


class FailsAsItIsPublished(Recorded):
    """Its metrics are never set up, and left behind when their share of the shutdown is over."""

    async def watch(self):
        await passed("publishing")
        raise RuntimeError("the device is lost")

    async def setup_metrics(self, ctx):
        reach("publishing")
        await passed("never")


class Exits(Gated):
    async def watch(self):
        await passed("fail")
        raise SystemExit(7)


class Plainly(Recorded):
    """A plain function, which has nothing more to watch."""

    def watch(self):
        reach("watched")


class Heedless(Recorded):
    """Does not heed its cancellation."""

    async def watch(self):
        reach("watched")
        while True:
            with suppress(asyncio.CancelledError):
                await passed("never")


class Told(Recorded):
    """Tells of its cancellation."""

    async def watch(self):
        try:
            await passed("never")
        except asyncio.CancelledError:
            reach("watch-cancelled")
            raise


class Upset(Recorded):
    """Raises what nobody asked for when it is cancelled."""

    async def watch(self):
        reach("watched")
        try:
            await passed("never")
        finally:
            raise RuntimeError("the device was not closed")


class FailsItsSteps(Recorded):
    """Its step loop fails in the third step of a request; what comes later is refused."""

    def __init__(self):
        self.steps = Steps()

    async def generate(self, request, context):
        stream = self.steps.open(context)
        threading.Thread(target=self.step_loop, args=(stream.id,)).start()
        return stream

    def step_loop(self, stream):
        self.steps.push([(stream, 504)])
        self.steps.push([(stream, 504)])
        try:
            self.third_step()
        except RuntimeError as error:
            self.steps.fail(error)
        reach("told", str(stream in self.steps.push([(stream, 504)]).cancelled))

    def third_step(self):
        raise RuntimeError("no third step")
