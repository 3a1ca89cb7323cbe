"""Serves an engine and holds the GIL when asked: ``hold_the_gil.py PORT MODEL FIFO LOG``.

The engine is the Rust one, unless the variable ``ENGINE`` names another, as ``MODULE:CLASS``.

``LOG``: ``logging``, which the program then configures, or ``stderr``.

When the latch ``hold`` is released, a thread reads from the FIFO in C without letting go of the
GIL: from then on no line of Python runs in this process until somebody writes to the FIFO.
"""

import ctypes
import importlib
import json
import logging
import os
import sys
import threading
import time

from latches import FOLDER, reach

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig
from dynamo_backend_common.engines.echo import Echo

port, model, fifo, log = sys.argv[1:]


def hold():
    # For reading and writing, so that opening does not wait for the test.
    descriptor = os.open(fifo, os.O_RDWR)
    buffer = ctypes.create_string_buffer(1)
    while not (FOLDER / "hold").exists():
        time.sleep(0.01)
    reach("holding", json.dumps({"thread": threading.get_native_id(), "descriptor": descriptor}))
    ctypes.PyDLL(None).read(descriptor, buffer, 1)
    reach("released")


if log == "logging":
    logging.basicConfig(level=logging.INFO, format="record %(created)f %(message)s")
module, _, name = os.environ.get("ENGINE", "").partition(":")
worker = Worker(
    getattr(importlib.import_module(module), name)() if module else Echo(),
    WorkerConfig(model_name=model, runtime=RuntimeConfig(discovery_backend="mem")),
    http_port=int(port),
    on_state=lambda state: print("state", state, flush=True),
)
threading.Thread(target=hold, daemon=True).start()
worker.run()
