"""Our worker with the benches' Python engines.

The arguments are the namespace, the engine (``generator`` or ``steps``) and the event loop
(``uvloop`` or ``asyncio``).
"""

import asyncio
import sys

from engine import Tokens, spin_beside
from stepped import Stepped

from dynamo_backend_common import EngineConfig, Worker, WorkerConfig


class Engine(Tokens):
    async def start(self, worker_id: int) -> EngineConfig:
        spin_beside()
        return EngineConfig(model="bench")


def main() -> None:
    namespace, kind, loop = sys.argv[1:]
    engine = {"generator": Engine, "steps": Stepped}[kind]()
    worker = Worker(engine, WorkerConfig(namespace=namespace))
    if loop == "uvloop":
        import uvloop

        uvloop.run(worker.serve())
    else:
        asyncio.run(worker.serve())


if __name__ == "__main__":
    main()
