"""An engine that takes a moment for each token, as a model does."""

import asyncio

from latches import reach
from plain import Plain


class Paced(Plain):
    async def generate(self, request, context):
        for token in request["token_ids"]:
            await asyncio.sleep(0.01)
            yield {"token_ids": [token]}
        yield {"token_ids": [], "finish_reason": "stop"}


class PacedSleeper(Paced):
    """Tells the test of a request that begins, or goes on, while it sleeps."""

    def __init__(self):
        self.asleep = False

    async def supported_controls(self):
        return ["sleep", "wake_up"]

    async def engine_control(self, name, body):
        self.asleep = name == "sleep"
        return {"status": "ok"}

    async def generate(self, request, context):
        async for chunk in super().generate(request, context):
            if self.asleep:
                reach("generated-asleep", context.id)
            yield chunk
