"""A program with handlers of its own around a worker: ``robbed.py HOW ENGINE PORT MODEL``.

``HOW``: ``run``; ``serve``, in a loop with a handler of asyncio's. Afterwards the program sends
itself both signals, and tells who was called.
"""

import asyncio
import importlib
import os
import signal
import sys

from dynamo_backend_common import DynamoError, RuntimeConfig, Worker, WorkerConfig

how, spec, port, model = sys.argv[1:]
module, _, name = spec.partition(":")
SIGNALS = (signal.SIGTERM, signal.SIGINT)
worker = Worker(
    getattr(importlib.import_module(module), name)(),
    WorkerConfig(model_name=model, runtime=RuntimeConfig(discovery_backend="mem")),
    http_port=int(port),
    on_state=lambda state: print("state", state, flush=True),
)


def mine(number, _frame):
    print("called", signal.Signals(number).name, flush=True)


async def serve():
    loop = asyncio.get_running_loop()
    got = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, got.set)
    before = [signal.getsignal(number) for number in SIGNALS]
    await worker.serve()
    print("same", before == [signal.getsignal(number) for number in SIGNALS])
    os.kill(os.getpid(), signal.SIGTERM)
    await got.wait()
    print("called SIGTERM")


if how == "serve":
    asyncio.run(serve())
    sys.exit()

signal.signal(signal.SIGTERM, mine)
before = [signal.getsignal(number) for number in SIGNALS]
try:
    worker.run()
except DynamoError as error:
    print("raised", error)
print("same", before == [signal.getsignal(number) for number in SIGNALS])
os.kill(os.getpid(), signal.SIGTERM)
try:
    os.kill(os.getpid(), signal.SIGINT)
    asyncio.run(asyncio.sleep(60))
except KeyboardInterrupt:
    print("called SIGINT")
