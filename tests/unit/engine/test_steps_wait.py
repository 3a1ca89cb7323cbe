"""A step loop that has nothing to push sleeps, and is woken by whatever it is to know."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_backend_common import Chunk, EngineConfig, EngineShutdown, InvalidArgument
from dynamo_backend_common.testing import Steps, collect, context, request
from dynamo_backend_common.testing.driven import Driven

if TYPE_CHECKING:
    from dynamo_backend_common import Request, RequestContext, StepStream

MANY = 200
FAR_BEHIND = 300


class Waiting:
    """Its loop waits without a limit: a wake-up that is lost hangs the test."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.opened: SimpleQueue[int] = SimpleQueue()
        self.reports: SimpleQueue[Any] = SimpleQueue()
        self.pushed = 1
        self.ends = True
        self.serves = True
        self.thread = threading.Thread(target=self.step_loop, daemon=True)
        self.thread.start()

    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="waiting")

    async def generate(self, request: Request, context: RequestContext) -> StepStream:
        stream = self.steps.open(context)
        self.opened.put(stream.id)
        return stream

    def step_loop(self) -> None:
        while self.serves:
            report = self.steps.wait()
            if report.cancelled or report.stalled:
                self.reports.put(report)
            while not self.opened.empty():
                stream = self.opened.get()
                for _ in range(self.pushed):
                    # One that cannot be joined with the one before.
                    self.steps.push([(stream, Chunk(token_ids=[1], text="a"))])
                if self.ends:
                    self.steps.push([(stream, [], "stop")])

    async def cleanup(self) -> None:
        self.serves = False
        self.steps.wake()
        await asyncio.to_thread(self.thread.join)

    async def report(self) -> Any:
        return await asyncio.to_thread(self.reports.get)


async def test_a_request_wakes_it_each_time() -> None:
    engine = Waiting()
    for _ in range(MANY):
        chunks = await collect(engine, request([1]))
        assert chunks[-1].get("finish_reason") == "stop"
    await engine.cleanup()


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_request_that_ends_early_wakes_it(end: str) -> None:
    engine = Waiting()
    engine.ends = False
    driven = Driven(engine)
    for _ in range(MANY):
        client = context()
        chunks = driven.chunks(request([1]), client)
        await anext(chunks)
        getattr(client, end)()
        report = await engine.report()
        assert len(report.cancelled) == 1
        await chunks.aclose()
    await engine.cleanup()


async def test_a_reader_that_goes_wakes_it() -> None:
    engine = Waiting()
    engine.ends = False
    chunks = Driven(engine).chunks(request([1]), context())
    await anext(chunks)
    await chunks.aclose()
    assert len((await engine.report()).cancelled) == 1
    await engine.cleanup()


async def test_a_client_that_catches_up_wakes_it() -> None:
    steps = Steps()
    opened: asyncio.Future[StepStream] = asyncio.get_running_loop().create_future()

    class Held:
        start = cleanup = Waiting.start

        async def generate(self, request: Request, context: RequestContext) -> StepStream:
            opened.set_result(steps.open(context))
            return opened.result()

    client = context()
    chunks = Driven(Held()).chunks(request([1]), client)
    first = asyncio.ensure_future(anext(chunks))
    stream = await opened
    # It reads a few meanwhile, sooner or later.
    for _ in range(2 * FAR_BEHIND):
        report = steps.push([(stream.id, Chunk(token_ids=[1], text="a"))])
        if report.stalled:
            break
    assert report.stalled == [stream.id]
    steps.wait(0)
    caught_up = asyncio.ensure_future(asyncio.to_thread(steps.wait))
    await first
    while not caught_up.done():
        await anext(chunks)
    assert caught_up.result().stalled == []
    client.kill()
    await chunks.aclose()


async def test_wake_and_fail_end_it_and_the_next_one() -> None:
    steps = Steps()
    steps.wake()
    assert steps.wait().cancelled == []
    waits = asyncio.ensure_future(asyncio.to_thread(steps.wait))
    steps.fail(EngineShutdown("gone"))
    assert (await waits).cancelled == []


def test_it_waits_no_longer_than_asked() -> None:
    for timeout in (0, 0.01):
        report = Steps().wait(timeout)
        assert (report.cancelled, report.stalled) == ([], [])


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_what_is_no_time_is_refused(timeout: float) -> None:
    with pytest.raises(InvalidArgument, match="is no time to wait; accepted: seconds, 0 or more"):
        Steps().wait(timeout)


async def test_more_than_any_clock_has_is_no_limit() -> None:
    steps = Steps()
    waits = asyncio.ensure_future(asyncio.to_thread(steps.wait, float("inf")))
    steps.wake()
    await waits
