"""``async with Worker(...)``: ``block.py ENGINE MODEL WHAT``, where WHAT is done in the block."""

import asyncio
import sys

from plain import Plain

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig

engine, model, what = sys.argv[1:]


class StartRaises(Plain):
    async def start(self, worker_id):
        raise RuntimeError("no weights on this disk")


class StartWaits(Plain):
    async def start(self, worker_id):
        print("starting", flush=True)
        await asyncio.sleep(0.2)
        return await super().start(worker_id)


class FailsLate(Plain):
    async def start(self, worker_id):
        await asyncio.sleep(0.3)
        raise RuntimeError("no weights on this disk")


class Fails(Plain):
    async def watch(self):
        await failing.wait()
        raise RuntimeError("the device is gone")


async def in_the_block(worker):
    match what:
        case "nothing":
            pass
        case "again":
            try:
                async with worker:
                    print("url of the second block")
            except RuntimeError as error:
                print("refused", error)
        case "raises":
            raise ValueError("of the block")
        case "ends anyway":
            # The run ends while nothing in the block waits, and nothing will.
            failing.set()
            while worker.state != "Stopped":  # noqa: ASYNC110 (what waits can be cancelled)
                await asyncio.sleep(0)
        case _:
            failing.set()
            await asyncio.Event().wait()


async def main():
    global failing
    failing = asyncio.Event()
    config = WorkerConfig(model_name=model, runtime=RuntimeConfig(discovery_backend="mem"))
    worker = Worker(globals()[engine](), config, http_port=0)
    assert worker.http_url is None
    try:
        async with worker as entered:
            print("url", worker.http_url, entered is worker, worker.state, flush=True)
            await in_the_block(worker)
            print("block ended", flush=True)
    finally:
        print("state", worker.state)
        print("reason", worker.report and worker.report.reason)
        print("cancelling", asyncio.current_task().cancelling())
    await asyncio.sleep(0)
    print("after the block", flush=True)


async def cancelled():
    task = asyncio.create_task(main())
    await asyncio.sleep(0.1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")


try:
    asyncio.run(cancelled() if what == "is cancelled" else main())
except Exception as error:
    print("raised", type(error).__name__, error)
    print("cause", repr(error.__cause__))
    print("context", repr(error.__context__))
