"""An engine from elsewhere in a process that forks: before its run, and while it serves."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING

from dynamo_backend_common import Worker, WorkerConfig, WorkerState

if TYPE_CHECKING:
    from collections.abc import Callable

name, port, model_folder = sys.argv[1:]
module, _, attribute = name.partition(":")
make = getattr(importlib.import_module(module), attribute)
held: list[Worker] = []


def in_child(what: str, work: Callable[[], object]) -> None:
    child = os.fork()
    if child == 0:
        try:
            work()
        except RuntimeError as refused:
            print(f"{what}: {refused}", flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(f"{what}: ended with {os.waitstatus_to_exitcode(status)}", flush=True)


def let_go() -> None:
    held.clear()
    gc.collect()


def take_another() -> None:
    Worker(make())
    gc.collect()


def on_state(state: WorkerState) -> None:
    if state is WorkerState.Serving:
        in_child("let go while it serves", let_go)
        print("serves", flush=True)


held.append(Worker(make()))
in_child("run", lambda: held[0].run())
in_child("let go", let_go)
in_child("its own", take_another)
let_go()
config = WorkerConfig(model_name=model_folder)
held.append(Worker(make(), config, http_port=int(port), on_state=on_state))
held[0].run()
