"""Engines whose updates load and unload adapters."""

import asyncio

from adapted import Adapted
from latches import passed, reach

from dynamo_backend_common import EngineConfig, InvalidArgument


class Updated(Adapted):
    """Its updates ``load`` and ``unload`` take a ``name``.

    A body's ``reach`` and ``pass`` are latches, ``reply`` is the reply instead of the usual, and
    ``raise`` a message to raise; the card is changed before all of them, and after the latch that
    ``before`` names. With ``aside`` a task that
    the update starts changes it.
    """

    def __init__(self):
        self.at_work = self.most = 0
        self.asleep = False

    async def supported_updates(self):
        return ["load", "unload", "most"]

    async def engine_update(self, name, body):
        if name == "most":
            return {"most": self.most}
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        try:
            return await self._perform(name, body)
        finally:
            self.at_work -= 1

    async def _perform(self, name, body):
        if "before" in body:
            reach("before")
            await passed(body["before"])
        change = {"load": self.cards.publish, "unload": self.cards.withdraw}[name]
        if body.get("aside"):
            await asyncio.create_task(self._change(change, body["name"]))
        else:
            await change(body["name"])
        if "reach" in body:
            reach(body["reach"])
        if "pass" in body:
            await passed(body["pass"])
        if "raise" in body:
            raise RuntimeError(body["raise"])
        return body.get("reply", {"status": "ok"})

    async def _change(self, change, name):
        await change(name)

    async def supported_controls(self):
        return [*await super().supported_controls(), "sleep", "wake_up"]

    def validate_engine_control(self, name, body):
        if body.get("level", 0) > 2:
            raise InvalidArgument(f"level is 0, 1 or 2, not {body['level']}")

    async def engine_control(self, name, body):
        if name in ("sleep", "wake_up"):
            self.asleep = name == "sleep"
            return {"status": "ok"}
        return await super().engine_control(name, body)

    async def drain(self):
        reach("drain" if self.at_work == 0 else "beside")


class LateTask(Updated):
    """Publishes a card from a task that outlives its update."""

    async def _perform(self, name, body):
        reply = super()._perform(name, body)
        self.late = asyncio.create_task(self._later(body["name"]))
        return await reply

    async def _later(self, name):
        await passed("later")
        try:
            await self.cards.publish(f"{name}-late")
        except Exception as raised:
            reach("late", str(raised))


class AsksWrongly(Updated):
    def validate_engine_control(self, name, body):
        return False


class OwnTaints(Updated):
    async def supported_updates(self):
        return ["model_taints"]


class Aliased(Updated):
    """Has a name beside its model's."""

    async def start(self, worker_id):
        self.asked = []
        return EngineConfig(
            model=self.model,
            model_aliases=["parrot", "parrot", self.model],
            context_length=2048,
            max_gpu_lora_count=3,
            enable_eagle=True,
        )
