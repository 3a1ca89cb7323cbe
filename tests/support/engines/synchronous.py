"""Engines whose generate is no async generator. What it is to do, the request's case says."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar

from latches import FOLDER, case_of, reach
from plain import Plain
from raising import BUILT_IN

import dynamo_backend_common

WHO = ContextVar("WHO", default="nobody")
END = {"token_ids": [], "finish_reason": "stop"}


def wait_for(latch):
    """Blocks the thread until the test releases ``latch``."""
    while not (FOLDER / latch).exists():
        time.sleep(0.01)


class Generator(Plain):
    async def start(self, worker_id):
        WHO.set("start")
        self.loop_thread = threading.get_ident()
        return await super().start(worker_id)

    def generate(self, request, context):
        case = case_of(request)
        name, _, argument = case.partition("-")
        threads = {threading.get_ident()}
        try:
            match name:
                case "raise":
                    yield {"token_ids": request["token_ids"][:1]}
                    kind = BUILT_IN.get(argument) or getattr(dynamo_backend_common, argument)
                    raise kind(f"asked to raise {argument}")
                case "endless":
                    count = 0
                    while True:
                        count += 1
                        reach(f"{case}-count", str(count))
                        yield {"token_ids": request["token_ids"] * 16}
                case "hang":
                    yield {"token_ids": request["token_ids"][:1]}
                    reach(f"{case}-hangs")
                    wait_for(f"{case}-go")
                case "together":
                    # Each goes on only when all are there.
                    reach(case)
                    wait_for("all-are-there")
                case "bad":
                    yield 7
                case "incomplete":
                    yield {"token_ids": request["token_ids"]}
                    return
                case "chatty":
                    yield {"token_ids": request["token_ids"]}
                    yield END
            before = WHO.get()
            WHO.set(context.id)
            for token in request["token_ids"]:
                threads.add(threading.get_ident())
                yield {"token_ids": [token]}
            threads.add(threading.get_ident())
            own = WHO.get() == context.id
            yield END
        except GeneratorExit:
            reach(f"{case}-closed", str(context.is_stopped()))
            raise
        finally:
            threads.add(threading.get_ident())
            if case == "who":
                seen = {
                    "before": before,
                    "own": own,
                    "threads": len(threads),
                    "off the loop": self.loop_thread not in threads,
                }
                reach("who-seen", json.dumps(seen))

    async def abort(self, context):
        reach("aborted", context.id)


class Function(Plain):
    """Blocks, and returns all chunks at once."""

    def generate(self, request, context):
        reach("function-thread", threading.current_thread().name)
        match case_of(request):
            case "chunk":
                return {"token_ids": request["token_ids"], "finish_reason": "stop"}
            case "tuple":
                return {"token_ids": list(request["token_ids"])}, END
            case "iterator":
                return iter([{"token_ids": request["token_ids"]}, END])
            case "text":
                return "no chunks"
            case "number":
                return 17
            case "nothing":
                return None
            case "raise":
                raise ValueError("refused")
            case "StopIteration":
                return next(iter(()))
            case "coroutine":
                return self.later(request)
            case "generator":
                return super().generate(request, context)
        return [{"token_ids": list(request["token_ids"])}, END]

    async def later(self, request):
        return [{"token_ids": request["token_ids"]}, END]


class Coroutine(Plain):
    """An ``async def`` without ``yield``."""

    async def generate(self, request, context):
        await asyncio.sleep(0)
        match case_of(request):
            case "list":
                return [{"token_ids": request["token_ids"]}, END]
            case "generator":
                return super().generate(request, context)
            case "number":
                return 17
            case "nothing":
                return None
            case "incomplete":
                return []
        return {"token_ids": request["token_ids"], "finish_reason": "stop"}


class Delegating(Plain):
    """A plain function that says that it only makes an iterator: it may use the running loop."""

    def generate(self, request, context) -> AsyncIterator:
        asyncio.get_running_loop()
        return super().generate(request, context)
