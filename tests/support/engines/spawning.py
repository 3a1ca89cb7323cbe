"""An engine whose tokens come from a process of its own, started as ``--`` says."""

import asyncio
import multiprocessing

from latches import reach
from plain import Plain


def echo(requests, answers):
    while (tokens := requests.get()) is not None:
        answers.put(tokens)


class Engine(Plain):
    def __init__(self, method):
        self.method = method

    @classmethod
    def from_args(cls, argv):
        return cls(*argv)

    async def start(self, worker_id):
        context = multiprocessing.get_context(self.method)
        self.requests, self.answers = context.Queue(), context.Queue()
        self.child = context.Process(target=echo, args=(self.requests, self.answers))
        # Not from a thread of an executor, which a forked child would wait for at its end.
        self.child.start()
        return await super().start(worker_id)

    async def generate(self, request, context):
        self.requests.put(list(request["token_ids"]))
        tokens = await asyncio.to_thread(self.answers.get)
        yield {"token_ids": tokens, "finish_reason": "stop"}

    async def cleanup(self):
        self.requests.put(None)
        await asyncio.to_thread(self.child.join)
        reach("child-ended", str(self.child.exitcode))
