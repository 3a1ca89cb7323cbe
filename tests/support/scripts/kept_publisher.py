"""Publishers of KV events after their runs, of which there are two: ``kept_publisher.py``.

Prints what is wrong with them then, and the threads that are left.
"""

import threading

from kv_calls import Calls, wrong

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig


def run(engine):
    worker = Worker(
        engine,
        WorkerConfig(runtime=RuntimeConfig(discovery_backend="mem")),
        on_state=lambda state: worker.shutdown() if state == "Serving" else None,
    )
    worker.run()
    return engine.publisher


publishers = [run(Calls()), run(Calls())]
print("wrong", [list(wrong(publisher)) for publisher in publishers])
print("threads", [thread.name for thread in threading.enumerate()])
