"""A worker in a program of one's own: ``worker.py MODULE:CLASS PORT MODEL``.

Prints its states as they come, and then the report, or the error with its cause. In the
environment, ``SERVED_NAME`` is the public name and ``DISCOVERY`` the backend, if not ``mem``.
"""

import importlib
import json
import os
import sys
from dataclasses import asdict

from dynamo_backend_common import DynamoError, RuntimeConfig, Worker, WorkerConfig

spec, port, model = sys.argv[1:]
module, _, name = spec.partition(":")
worker = Worker(
    getattr(importlib.import_module(module), name)(),
    WorkerConfig(
        model_name=model,
        served_model_name=os.environ.get("SERVED_NAME"),
        runtime=RuntimeConfig(discovery_backend=os.environ.get("DISCOVERY", "mem")),
    ),
    http_port=int(port),
    on_state=lambda state: print("state", state, flush=True),
)
try:
    report = worker.run()
except DynamoError as error:
    print("raised", type(error).__name__, error.kind, error)
    print("cause", repr(error.__cause__))
else:
    print("report", json.dumps(asdict(report)))
