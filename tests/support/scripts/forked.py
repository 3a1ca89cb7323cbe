"""A worker in a child that was forked after a run of its parent's."""

import os

from plain import Plain

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig


def run():
    worker = Worker(Plain(), WorkerConfig(runtime=RuntimeConfig(discovery_backend="mem")))
    worker.shutdown()
    return worker.run()


print("parent", run().reason, flush=True)
child = os.fork()
if child == 0:
    try:
        run()
    except RuntimeError as error:
        print("refused", error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
