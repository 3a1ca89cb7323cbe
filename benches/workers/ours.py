"""Our worker with the benches' Python engine; arguments: the namespace and the event loop."""

import asyncio
import sys

from engine import Tokens, spin_beside

from dynamo_backend_common import EngineConfig, Worker, WorkerConfig


class Engine(Tokens):
    async def start(self, worker_id: int) -> EngineConfig:
        spin_beside()
        return EngineConfig(model="bench")


def main() -> None:
    namespace, _, loop = sys.argv[1:]
    worker = Worker(Engine(), WorkerConfig(namespace=namespace))
    if loop == "uvloop":
        import uvloop

        uvloop.run(worker.serve())
    else:
        asyncio.run(worker.serve())


if __name__ == "__main__":
    main()
