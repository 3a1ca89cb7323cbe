"""Two workers in one process, one after the other: ``twice.py PORT MODEL``."""

import signal
import sys
import threading

from plain import Plain

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig

port, model = sys.argv[1:]
before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
for number in (1, 2):
    worker = Worker(
        Plain(),
        WorkerConfig(model_name=model, runtime=RuntimeConfig(discovery_backend="mem")),
        http_port=int(port),
        on_state=lambda state, number=number: print("run", number, state, flush=True),
    )
    worker.run()
    print("run", number, "returned", flush=True)
assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
print("python threads", [thread.name for thread in threading.enumerate()])
