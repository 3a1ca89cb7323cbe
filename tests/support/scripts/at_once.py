"""Two workers in one process at once: ``at_once.py``.

Prints ``serving ENDPOINT`` and ``stopped ENDPOINT``. Each of them ends when the test releases
``ENDPOINT-goes``.
"""

import asyncio

from controlled import Sleeper
from latches import passed

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig


async def serve(endpoint):
    config = WorkerConfig(endpoint=endpoint, runtime=RuntimeConfig(discovery_backend="file"))

    def tell(state):
        if state == "Serving":
            print("serving", endpoint, flush=True)

    worker = Worker(Sleeper(), config, on_state=tell)
    running = asyncio.create_task(worker.serve())
    await passed(f"{endpoint}-goes")
    worker.shutdown()
    await running
    print("stopped", endpoint, flush=True)


async def main():
    await asyncio.gather(serve("left"), serve("right"))


asyncio.run(main())
