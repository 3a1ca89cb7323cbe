"""Requests that go on after their last chunk, or do not let go. What it is, the case says."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from latches import FOLDER, case_of, reach
from plain import Plain

from dynamo_backend_common import Steps

END = {"token_ids": [], "finish_reason": "stop"}


async def for_ever(case):
    """Waits, and says how that ended."""
    reach(f"{case}-waits")
    try:
        await asyncio.Event().wait()
    finally:
        reach(f"{case}-ended", sys.exc_info()[0].__name__)


class Lingering(Plain):
    def __init__(self):
        self.steps = Steps()

    async def start(self, worker_id):
        self.tasks_before = len(asyncio.all_tasks())
        return await super().start(worker_id)

    async def generate(self, request, context):
        case = case_of(request)
        tokens = {"token_ids": list(request["token_ids"])}
        yield tokens
        match case:
            case "refused":
                try:
                    yield 7
                finally:
                    reach(f"{case}-ended", sys.exc_info()[0].__name__)
            case "terminal" | "terminal-late":
                yield END
                await for_ever(case)
            case "finally":
                try:
                    yield END
                finally:
                    await for_ever(case)
            case "stubborn":
                yield END
                try:
                    await for_ever(case)
                except asyncio.CancelledError:
                    yield tokens
            case "heedless":
                yield END
                while True:
                    with suppress(asyncio.CancelledError):
                        await for_ever(case)
            case "stubborn-at-the-end":
                try:
                    yield 7
                finally:
                    await for_ever(case)
        yield END

    async def cleanup(self):
        # Its own task is in the place of that of `start`.
        reach("left", str(len(asyncio.all_tasks()) - self.tasks_before))


class Iterating(Lingering):
    """An iterator of its own, which has no ``aclose``."""

    def generate(self, request, context) -> AsyncIterator:
        return Chunks(case_of(request), request)


class Chunks:
    def __init__(self, case, request):
        self.case = case
        self.chunks = [{"token_ids": list(request["token_ids"])}, END]

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.chunks:
            return self.chunks.pop(0)
        if self.case:
            await for_ever(self.case)
        raise StopAsyncIteration


class Stepping(Lingering):
    """A coroutine whose stream is ended by a step, and which does not return."""

    async def generate(self, request, context):
        stream = self.steps.open(context)
        self.steps.push([(stream.id, list(request["token_ids"]), "stop")])
        case = case_of(request)
        if case:
            await for_ever(case)
        return stream


class Threaded(Plain):
    """Blocks, whoever wants to interrupt it; ``cleanup`` says how many are inside still."""

    inside = 0

    def generate(self, request, context):
        case = case_of(request)
        if case.startswith("after"):
            yield {"token_ids": list(request["token_ids"]), "finish_reason": "stop"}
        else:
            yield {"token_ids": request["token_ids"][:1]}
        if case:
            Threaded.inside += 1
            reach(f"{case}-waits", context.id)
            while not (FOLDER / "drain").exists():
                time.sleep(0.01)
            # Longer than cleanup waits for what it can cancel.
            time.sleep(2.0)
            Threaded.inside -= 1
        yield END

    async def abort(self, context):
        reach("aborted", context.id)

    async def drain(self):
        reach("drain")

    async def cleanup(self):
        reach("cleanup", str(Threaded.inside))
