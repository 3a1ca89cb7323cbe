"""A worker inside a program that has a log of its own: ``embedded.py HOW ENGINE PORT MODEL``.

``HOW``: ``serve`` in a loop; ``twice``, that two times; ``run``; ``run-unconfigured``, in a program
without a log; ``thread``, in a daemon thread that the program's end cuts off when told to, and that
is in the handler of the line that ends a request for a while;
``quiet``, as ``serve``, with the Rust side's log off below WARNING until told otherwise;
``flooded``, as ``serve``, with a loop that stands still from ``Serving`` on until told otherwise;
``filtered``, as ``serve``, in a program whose handler tells requests by the package's filter.
Every record is printed as one line of JSON.
"""

import asyncio
import importlib
import json
import logging
import sys
import threading
import time

from latches import FOLDER, reach

from dynamo_backend_common import RequestLogFilter, RuntimeConfig, Worker, WorkerConfig

how, spec, port, model = sys.argv[1:]
NAMES = [
    *("name", "levelname", "levelno", "created", "msecs", "relativeCreated", "thread"),
    *("threadName", "pathname", "lineno", "fields", "request_id", "trace_id"),
]
rust = logging.getLogger("dynamo_backend_common.rust")


class Printer(logging.Handler):
    def emit(self, record):
        shown = {name: getattr(record, name, None) for name in NAMES}
        print("record", json.dumps(shown | {"message": record.getMessage()}), flush=True)
        if how == "thread" and record.getMessage().startswith("request completed"):
            reach("handling")
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                time.sleep(0.001)


def on_state(state):
    print("state", state, flush=True)
    if (how, state) == ("flooded", "Serving"):
        wait_for("go")


def make_worker():
    module, _, name = spec.partition(":")
    return Worker(
        getattr(importlib.import_module(module), name)(),
        WorkerConfig(model_name=model, runtime=RuntimeConfig(discovery_backend="mem")),
        http_port=int(port),
        on_state=on_state,
    )


def wait_for(latch):
    while not (FOLDER / latch).exists():
        time.sleep(0.01)


def be_loud_when_told():
    wait_for("loud")
    rust.setLevel(logging.NOTSET)
    reach("is-loud")


if how != "run-unconfigured":
    printer = Printer()
    if how == "filtered":
        printer.addFilter(RequestLogFilter())
    logging.basicConfig(level=logging.NOTSET, handlers=[printer])
    logging.getLogger("asyncio").setLevel(logging.WARNING)
if how == "quiet":
    rust.setLevel(logging.WARNING)
    threading.Thread(target=be_loud_when_told, daemon=True).start()
if how == "thread":
    threading.Thread(target=make_worker().run, daemon=True).start()
    wait_for("leave")
elif how.startswith("run"):
    make_worker().run()
else:
    for _ in range(2 if how == "twice" else 1):
        asyncio.run(make_worker().serve())
        print("returned", flush=True)
