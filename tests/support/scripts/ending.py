"""A program that ends while daemon threads are inside the package: ``ending.py WHAT PORT MODEL``.

``WHAT``: ``steps``, threads that push generators; ``events``, threads that publish KV events from
iterables.
"""

import sys
import threading

from plain import Plain

from dynamo_backend_common import (
    EngineConfig,
    PushKvEvents,
    RuntimeConfig,
    Steps,
    Worker,
    WorkerConfig,
)

THREADS = 8
what, port, model = sys.argv[1:]
inside = threading.Semaphore(0)


def for_ever(act):
    def run():
        act()
        inside.release()
        while True:
            act()

    for _ in range(THREADS):
        threading.Thread(target=run, daemon=True).start()
    for _ in range(THREADS):
        inside.acquire()


class Publishing(Plain):
    async def start(self, worker_id):
        return EngineConfig(model=self.model, kv_cache_block_size=2)

    async def kv_event_sources(self):
        return [PushKvEvents(on_ready=self.ready)]

    def ready(self, publisher):
        def publish():
            publisher.publish_stored((block, (token for token in (1, 2))) for block in range(9))
            publisher.publish_removed(block for block in range(9))

        for_ever(publish)


def serve(engine):
    config = WorkerConfig(model_name=model, runtime=RuntimeConfig(discovery_backend="mem"))
    serving = threading.Event()
    worker = Worker(
        engine,
        config,
        http_port=int(port),
        on_state=lambda state: state == "Serving" and serving.set(),
    )
    threading.Thread(target=worker.run, daemon=True).start()
    serving.wait()


match what:
    case "steps":
        steps = Steps()

        def hand_over():
            steps.push((stream, 7) for stream in range(50))
            steps.fail(RuntimeError("no more"))

        for_ever(hand_over)
    case "events":
        serve(Publishing())
print("ends", flush=True)
