"""A worker whose engine forks while it serves: ``forked_inside.py PORT MODEL``.

The child says what becomes of what it tries with its parent's objects.
"""

import asyncio
import os
import sys

from plain import Plain

from dynamo_backend_common import (
    EngineConfig,
    MetricsBindings,
    PushKvEvents,
    RuntimeConfig,
    Steps,
    Worker,
    WorkerConfig,
)

port, model = sys.argv[1:]
END = {"token_ids": [], "finish_reason": "stop"}


class Forking(Plain):
    def __init__(self):
        self.steps = Steps()
        self.kept = {}

    async def start(self, worker_id):
        return EngineConfig(model=self.model, kv_cache_block_size=2)

    async def setup_metrics(self, context):
        return MetricsBindings(dp_ranks=[0], on_publisher_ready=self.keep("snapshots"))

    async def kv_event_sources(self):
        return [PushKvEvents(on_ready=self.keep("events"))]

    def keep(self, name):
        return lambda publisher: self.kept.update({name: publisher})

    async def generate(self, request, context):
        child = os.fork()
        if child == 0:
            try:
                self.in_child(context)
            finally:
                os._exit(0)
        await asyncio.to_thread(os.waitpid, child, 0)
        yield {"token_ids": list(request["token_ids"])}
        yield END

    def in_child(self, context):
        events, snapshots = self.kept["events"], self.kept["snapshots"]
        tries = {
            "push": lambda: self.steps.push((1, 2) for _ in range(3)),
            "push_packed": lambda: self.steps.push_packed(b"", b""),
            "open": lambda: self.steps.open(context),
            "stored": lambda: events.publish_stored([(1, [2, 3])]),
            "removed": lambda: events.publish_removed([1]),
            "cleared": events.publish_cleared,
            "snapshot": lambda: snapshots.push(0, total_blocks=2, used_blocks=1),
            "stopped": context.stopped,
            "first token": context.notify_first_token,
            "shutdown": worker.shutdown,
        }
        for name, attempt in tries.items():
            try:
                answer = attempt()
            except RuntimeError as refused:
                answer = f"refused: {refused}"
            print("child", name, answer, flush=True)


worker = Worker(
    Forking(),
    WorkerConfig(model_name=model, runtime=RuntimeConfig(discovery_backend="mem")),
    http_port=int(port),
    on_state=lambda state: print("state", state, flush=True),
)
worker.run()
