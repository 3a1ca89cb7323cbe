"""An engine's publisher of KV events after the run: ``kept_publisher.py``.

Prints what is wrong with the publisher then, and how many threads are left of publishing.
"""

import threading

from kv_calls import Calls, wrong

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig

engine = Calls()
worker = Worker(
    engine,
    WorkerConfig(runtime=RuntimeConfig(discovery_backend="mem")),
    on_state=lambda state: worker.shutdown() if state == "Serving" else None,
)
worker.run()
print("wrong", list(wrong(engine.publisher)))
print("threads", [thread.name for thread in threading.enumerate()])
