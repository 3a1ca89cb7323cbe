"""The reference's worker with the benches' Python engine, on its own event loop (uvloop).

The argument is the namespace. It runs in the environment that has ``ai-dynamo``.
"""

import os
import sys

from dynamo.common.backend import EngineConfig, LLMEngine, WorkerConfig
from dynamo.common.backend.run import run
from engine import Tokens, spin_beside


class Engine(Tokens, LLMEngine):
    @classmethod
    async def from_args(cls, argv=None):
        config = WorkerConfig(
            namespace=sys.argv[1],
            discovery_backend="file",
            event_plane="zmq",
            # It would overwrite the environment's.
            response_plane=os.environ.get("DYN_RESPONSE_PLANE", "tcp"),
        )
        return cls(), config

    async def start(self, worker_id):
        spin_beside()
        return EngineConfig(model="bench")


if __name__ == "__main__":
    run(Engine)
