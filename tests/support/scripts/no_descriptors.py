"""A run that cannot begin, and a `shutdown` after it."""

import asyncio
import os
import resource
import time

from plain import Plain

from dynamo_backend_common import DynamoError, RuntimeConfig, Worker, WorkerConfig
from dynamo_backend_common._core import prepare

DEADLINE = 1


async def main():
    worker = Worker(Plain(), WorkerConfig(runtime=RuntimeConfig(discovery_backend="mem")))
    # What is made once for the process, so that the run itself is what misses something.
    prepare([worker._core], None)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    held = []
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        # One for the event loop's side; none for the signals' pipe.
        os.close(held.pop())
    try:
        await worker.serve()
    except DynamoError as error:
        print("raised", error)
    for each in held:
        os.close(each)
    worker.shutdown()
    time.sleep(2 * DEADLINE)  # noqa: ASYNC251 (nothing else runs here)
    print("alive")


os.environ["DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT"] = str(DEADLINE)
os.environ["DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS"] = "0"
asyncio.run(main())
