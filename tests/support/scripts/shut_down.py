"""``shutdown()``, before and during the run: ``shut_down.py WHEN PORT MODEL [MODULE:CLASS]``."""

import importlib
import sys
import threading

from latches import FOLDER
from lifecycles import Recorded, StartWaits

from dynamo_backend_common import RuntimeConfig, Worker, WorkerConfig

when, port, model, *spec = sys.argv[1:]


def on_state(state):
    print("state", state, flush=True)
    if (when, state) == ("serving", "Serving"):
        threading.Thread(target=worker.shutdown).start()
        worker.shutdown()
    if (when, state) == ("starting", "Starting"):
        threading.Thread(target=during_start).start()


def during_start():
    while not (FOLDER / "start").exists():
        pass
    worker.shutdown()
    (FOLDER / "go").touch()


def engine():
    if spec:
        module, _, name = spec[0].partition(":")
        return getattr(importlib.import_module(module), name)()
    return StartWaits() if when == "starting" else Recorded()


worker = Worker(
    engine(),
    WorkerConfig(model_name=model, runtime=RuntimeConfig(discovery_backend="mem")),
    http_port=int(port),
    on_state=on_state,
)
if when == "before":
    worker.shutdown()
    worker.shutdown()
report = worker.run()
worker.shutdown()
print("reason", report.reason)
