"""An engine that keeps the event loop busy, and says whom it was asked to serve and to abort."""

import asyncio
import time

from latches import FOLDER, case_of, reach
from plain import Plain


def blocks(latch):
    """Keeps the event loop until the test releases ``latch``."""
    reach(f"{latch}-blocks")
    while not (FOLDER / latch).exists():
        time.sleep(0.01)


class Crowded(Plain):
    def __init__(self):
        self.begun = []
        self.turn = 0
        self.turns = set()

    async def start(self, worker_id):
        self.counting = asyncio.create_task(self.count())
        return await super().start(worker_id)

    async def count(self):
        while True:
            self.turn += 1
            await asyncio.sleep(0)

    async def generate(self, request, context):
        case = case_of(request)
        self.turns.add(self.turn)
        reach(f"{case}-began", context.id)
        if case == "blocking":
            blocks("go")
            self.turns.clear()
        if case == "runs-on":
            for _ in range(6_400):
                self.turns.add(self.turn)
                yield {"token_ids": [request["token_ids"][0]]}
        async for chunk in super().generate(request, context):
            yield chunk

    async def abort(self, context):
        reach("aborted", context.id)

    async def cleanup(self):
        self.counting.cancel()
        reach("turns", str(len(self.turns)))


class Waiting(Crowded):
    """Has one thread for its requests."""

    def generate(self, request, context):
        case = case_of(request)
        reach(f"{case}-began", context.id)
        if case == "blocking":
            blocks("go")
        yield {"token_ids": list(request["token_ids"]), "finish_reason": "stop"}
