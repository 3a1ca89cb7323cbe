"""Several runs whose engines are probed, and what is left of them: ``canary_runs.py``."""

import gc
import weakref

from plain import Plain

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig


class Probed(Plain):
    def __init__(self):
        self.probes = 0

    async def health_check_payload(self):
        return {"token_ids": [1]}

    async def generate(self, request, context):
        self.probes += 1
        if self.probes == 3:
            self.worker.shutdown()
        yield {"token_ids": [1], "finish_reason": "stop"}


def run():
    engine = Probed()
    config = WorkerConfig(runtime=RuntimeConfig(discovery_backend="mem"))
    worker = engine.worker = Worker(engine, config)
    worker.run()
    del engine.worker
    return weakref.ref(engine)


engines = [run() for _ in range(3)]
gc.collect()
left = sum(engine() is not None for engine in engines)
bridges = sum(type(each).__name__ == "Bridge" for each in gc.get_objects())
print(f"engines left: {left}, bridges: {bridges}")
