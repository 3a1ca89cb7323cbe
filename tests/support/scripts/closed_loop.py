"""An event loop that is closed under a worker: ``closed_loop.py HOW ENGINE PORT MODEL``.

``HOW``: ``asyncio`` or ``uvloop``, whose loop is closed while the task is kept; ``dropped``, whose
task is forgotten too; ``one thread``, whose requests wait for that one; ``closed``, whose coroutine
is closed while the loop goes on.
"""

import asyncio
import importlib
import sys
import time

from latches import FOLDER, passed

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig
from dynamo_backend_common._serving import threads

how, spec, port, model = sys.argv[1:]
module, _, name = spec.partition(":")
engine = getattr(importlib.import_module(module), name)()
worker = Worker(
    engine,
    WorkerConfig(model_name=model, runtime=RuntimeConfig(discovery_backend="file")),
    http_port=int(port),
    on_state=lambda state: print("state", state, flush=True),
)
if how == "one thread":
    threads.LIMIT = 1
if how == "uvloop":
    import uvloop

    loop = uvloop.new_event_loop()
else:
    loop = asyncio.new_event_loop()


coroutine = worker.serve()
task = loop.create_task(coroutine)
loop.run_until_complete(passed("close"))
if how == "closed":
    coroutine.close()
else:
    if how == "dropped":
        del task, coroutine
    loop.close()
print("closed", flush=True)
while worker.state != "Stopped":
    time.sleep(0.01)
print("stopped", flush=True)
while not (FOLDER / "leave").exists():
    time.sleep(0.01)
