"""Engines with controls: each call's body says what it does beside its name."""

import asyncio

from latches import FOLDER, passed, reach
from lifecycles import Recorded


class Sleeper(Recorded):
    """Falls asleep and wakes up, with a moment in between, as an engine that moves its weights.

    A body's ``reach`` and ``pass`` are latches, ``reply`` is the reply instead of the usual one,
    and ``raise`` a message to raise; the change is made before the two.
    """

    def __init__(self):
        self.asleep = False
        self.calls = 0

    async def supported_controls(self):
        return [
            "sleep",
            "wake_up",
            "release_memory_occupation",
            "resume_memory_occupation",
            "pause_generation",
            "resume_generation",
            "state",
        ]

    async def engine_control(self, name, body):
        if name == "state":
            return {"asleep": self.asleep, "calls": self.calls, "body": body}
        self.calls += 1
        if "reach" in body:
            reach(body["reach"])
        if "pass" in body:
            await passed(body["pass"])
        await asyncio.sleep(0.005)
        asleep = name in ("sleep", "release_memory_occupation", "pause_generation")
        if body.get("is_sleeping") is not True:
            self.asleep = asleep
        if "raise" in body:
            raise RuntimeError(body["raise"])
        return body.get("reply", {"status": "ok", "control": name})


class Uncontrolled(Recorded):
    """Supports no control."""


class CleanupWaits(Sleeper):
    async def drain(self):
        await super().drain()
        await passed("drain-go")


class DrainsAlone(Sleeper):
    """Says where it is drained beside a control."""

    at_work = False

    async def supported_controls(self):
        return [*await super().supported_controls(), "flush"]

    async def engine_control(self, name, body):
        self.at_work = True
        try:
            return await super().engine_control(name, body)
        finally:
            self.at_work = False

    async def drain(self):
        if self.at_work:
            reach("beside")
        await super().drain()


class SlowBothWays(Sleeper):
    """Waits for the test in each hook of its life."""

    async def start(self, worker_id):
        config = await super().start(worker_id)
        await passed("start-go")
        return config

    async def drain(self):
        await super().drain()
        await passed("drain-go")

    async def cleanup(self):
        await super().cleanup()
        await passed("cleanup-go")


class GatedSleeper(Sleeper):
    """Yields a token, waits for the test, then yields the rest of the prompt."""

    async def generate(self, request, context):
        first, *rest = request["token_ids"]
        yield {"token_ids": [first]}
        await passed("go")
        for token in rest:
            yield {"token_ids": [token]}
        yield {"token_ids": [], "finish_reason": "stop"}


class Namesake(Recorded):
    """Has a control by the name of one of the worker's own."""

    async def supported_controls(self):
        return ["drain"]

    async def engine_control(self, name, body):
        return {"status": "ok", "of": "the engine"}


class HandsOver(Recorded):
    """Is quiescent when the test says so."""

    async def is_quiescent(self):
        return (FOLDER / "handed-over").exists()


class ControlsRaise(Sleeper):
    async def supported_controls(self):
        raise RuntimeError("no list of controls")
