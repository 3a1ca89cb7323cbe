"""Whose the signals are before and after a run: ``handlers.py MODULE:CLASS PORT MODEL``."""

import importlib
import os
import signal
import sys
from multiprocessing import resource_tracker
from pathlib import Path

from dynamo_backend_common import DynamoError, RuntimeConfig, Worker, WorkerConfig

spec, port, model = sys.argv[1:]
module, _, name = spec.partition(":")


def caught():
    """The signals that have a handler, as the kernel knows it; without the C library's own."""
    status = Path("/proc/self/status").read_text().splitlines()
    [mask] = [line.split()[1] for line in status if line.startswith("SigCgt")]
    return int(mask, 16) % (1 << 31)


terminated = []
signal.signal(signal.SIGTERM, lambda *_: terminated.append(True))


def seen():
    """What the run is to leave as it was."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return caught(), handlers, getattr(resource_tracker, "_IGNORED_SIGNALS", None)


before = seen()
worker = Worker(
    getattr(importlib.import_module(module), name)(),
    WorkerConfig(model_name=model, runtime=RuntimeConfig(discovery_backend="mem")),
    http_port=int(port),
    on_state=lambda state: state == "Serving" and worker.shutdown(),
)
try:
    worker.run()
    print("returned")
except DynamoError:
    print("raised")
print("same", seen() == before)
os.kill(os.getpid(), signal.SIGTERM)
print("terminated", terminated == [True])
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("KeyboardInterrupt")
