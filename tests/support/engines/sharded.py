"""Engines whose tokens come from a process of their own, made in each way that there is."""

import multiprocessing
import subprocess

from latches import passed, reach

from dynamo_backend_common import EngineConfig


def work(pipe):
    """The child: answers each token with itself."""
    while (token := pipe.recv()) is not None:
        pipe.send(token)


class Forked:
    method = "fork"

    async def start(self, worker_id):
        context = multiprocessing.get_context(self.method)
        self.pipe, theirs = context.Pipe()
        self.child = context.Process(target=work, args=[theirs])
        self.child.start()
        return EngineConfig(model="sharded", context_length=2048)

    def through(self, token):
        self.pipe.send(token)
        return self.pipe.recv()

    async def generate(self, request, context):
        first, *rest = request["token_ids"]
        yield {"token_ids": [self.through(first)]}
        reach("first")
        await passed("rest")
        for token in rest:
            yield {"token_ids": [self.through(token)]}
        yield {"token_ids": [], "finish_reason": "stop"}

    async def cleanup(self):
        self.pipe.send(None)
        self.child.join()
        reach("exitcode", str(self.child.exitcode))


class Spawned(Forked):
    method = "spawn"


class Served(Forked):
    """Forked by a server of multiprocessing's."""

    method = "forkserver"


class Programmed(Forked):
    async def start(self, worker_id):
        self.child = subprocess.Popen(  # noqa: ASYNC220 (for the child's sake)
            ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        return EngineConfig(model="sharded", context_length=2048)

    def through(self, token):
        self.child.stdin.write(f"{token}\n")
        return int(self.child.stdout.readline())

    async def cleanup(self):
        self.child.stdin.close()
        reach("exitcode", str(self.child.wait()))
