"""Two runs in two threads of a program without a log: ``two_threads.py``.

Prints ``stopped first`` when the first has ended; the second one's engine logs after that.
"""

import logging
import threading

from plain import Plain

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig

serving = threading.Barrier(3)


def make(endpoint):
    config = WorkerConfig(endpoint=endpoint, runtime=RuntimeConfig(discovery_backend="mem"))
    return Worker(Plain(), config, on_state=lambda state: state == "Serving" and serving.wait())


workers = [make("first"), make("second")]
threads = [threading.Thread(target=worker.run) for worker in workers]
for thread in threads:
    thread.start()
serving.wait()
for name, worker, thread in zip(("first", "second"), workers, threads, strict=True):
    logging.getLogger("engine").info("before the end of the %s", name)
    worker.shutdown()
    thread.join()
    print("stopped", name, flush=True)
print("handlers", logging.getLogger().handlers, logging.getLogger().level, flush=True)
