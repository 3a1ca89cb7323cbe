"""Faults at the border: hooks that raise what ends a process, plain functions, a long start."""

import asyncio
import gc

from latches import case_of, passed, reach
from plain import Plain

from dynamo_backend_common import EngineConfig


class AbortExits(Plain):
    """Its ``abort`` raises SystemExit; a request of its own waits until the test says go."""

    async def generate(self, request, context):
        case = case_of(request)
        if not case:
            async for chunk in super().generate(request, context):
                yield chunk
            return
        yield {"token_ids": [request["token_ids"][0]]}
        reach(f"{case}-started")
        try:
            await passed(f"{case}-go")
        finally:
            reach(f"{case}-finally")
        yield {"token_ids": [], "finish_reason": "stop"}

    async def abort(self, context):
        reach("abort")
        raise SystemExit(7)


class DrainExits(Plain):
    async def drain(self):
        raise SystemExit(7)


class PlainFunctions(Plain):
    """Hooks that have nothing to await are plain functions."""

    def start(self, worker_id):
        return EngineConfig(model=self.model, context_length=2048)

    def drain(self):
        reach("drain")

    def cleanup(self):
        reach("cleanup")


class CollectedStart(Plain):
    """While it waits for the network, only a weak reference of the event loop knows its task."""

    async def start(self, worker_id):
        server = await asyncio.start_server(self.greet, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        writer.close()
        server.close()
        return await super().start(worker_id)

    async def greet(self, reader, writer):
        await asyncio.sleep(0)
        gc.collect()
        writer.write(b"ready\n")
        await writer.drain()
        writer.close()


class RunsAhead(Plain):
    """Never waits for anybody: it fills the buffer of a client that does not read."""

    async def generate(self, request, context):
        if case_of(request) != "ahead":
            async for chunk in super().generate(request, context):
                yield chunk
            return
        try:
            while True:
                yield {"token_ids": [request["token_ids"][0]]}
        finally:
            reach("ahead-finally")
