"""Engines that are told apart: each says by a latch that it started, served and was cleaned up."""

from latches import passed, reach
from plain import Plain


class Numbered(Plain):
    def __init__(self, number):
        self.number = number

    async def start(self, worker_id):
        reach(f"start-{self.number}", str(worker_id))
        return await super().start(worker_id)

    async def generate(self, request, context):
        reach(f"served-{self.number}")
        async for chunk in super().generate(request, context):
            yield chunk

    async def cleanup(self):
        reach(f"cleanup-{self.number}")


class StartFails(Numbered):
    async def start(self, worker_id):
        await passed("fail")
        raise RuntimeError(f"worker {self.number} has no weights")
