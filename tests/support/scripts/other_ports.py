"""Runs one after the other, each with another system server: ``other_ports.py PORT PORT``.

The first run has the port of the environment, the second the first argument, the third the port of
the second run still, the fourth the second argument, the last none. Each serves until the test
releases its number; ``PORT bound again`` says that the port is free after it.
"""

import asyncio
import os
import socket
import sys

from controlled import Sleeper
from latches import passed

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig


async def serve(number):
    config = WorkerConfig(runtime=RuntimeConfig(discovery_backend="mem"))

    def tell(state):
        if state == "Serving":
            print("run", number, "serves", flush=True)

    worker = Worker(Sleeper(), config, on_state=tell)
    running = asyncio.create_task(worker.serve())
    await passed(str(number))
    worker.shutdown()
    await running


port = os.environ["DYN_SYSTEM_PORT"]
for number, change in enumerate([None, sys.argv[1], None, sys.argv[2], "-1"], start=1):
    if change is not None:
        os.environ["DYN_SYSTEM_PORT"] = port = change
    asyncio.run(serve(number))
    if int(port) > 0:
        # Without SO_REUSEADDR nobody else may be listening, which this asks for by connecting.
        with socket.socket() as probe:
            print(port, "refuses", probe.connect_ex(("127.0.0.1", int(port))) != 0, flush=True)
