"""``await serve()`` inside a loop that has a life of its own: ``in_a_loop.py PORT MODEL``."""

import asyncio
import signal
import sys

from plain import Plain

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig

port, model = sys.argv[1:]


async def ticks(seen):
    while True:
        await asyncio.sleep(0.01)
        seen.append(None)


async def main():
    handler = signal.getsignal(signal.SIGINT)
    seen = []
    ticking = asyncio.create_task(ticks(seen))
    worker = Worker(
        Plain(),
        WorkerConfig(model_name=model, runtime=RuntimeConfig(discovery_backend="mem")),
        http_port=int(port),
        on_state=lambda state: print("state", state, flush=True),
    )
    await worker.serve()
    print("ticked", len(seen) > 0 and not ticking.done())
    print("handler", signal.getsignal(signal.SIGINT) is handler)
    print("thread", await asyncio.to_thread(lambda: "works"))
    await asyncio.sleep(0.01)
    print("loop works", flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("main task cancelled", flush=True)
        raise


try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("KeyboardInterrupt")
