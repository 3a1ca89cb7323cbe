"""The request plane as a frontend in another process uses it."""

from __future__ import annotations

import json
import shutil
import signal
import time
from contextlib import ExitStack
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from support.api import wait_for_model, wait_for_routes
from support.frontend import start_frontend
from support.streams import PROMPT, begin, finishes
from support.system import SERVING, instances

if TYPE_CHECKING:
    from pathlib import Path

    from support.launcher import Launcher
    from support.processes import Process

pytestmark = pytest.mark.frontend


def serve(launcher: Launcher, model_folder: str, engine: str, **env: str) -> Process:
    options = ("--discovery-backend", "file", "--model-name", model_folder)
    process = launcher.command("serve", engine, *options, env=env)
    process.wait_for_line(SERVING)
    return process


def test_section_12_13_accepted_sockets_do_not_wait_for_more_to_send(
    launcher: Launcher, model_folder: str
) -> None:
    process = serve(launcher, model_folder, "sockets:Looking")
    [instance] = instances(launcher)
    port = json.loads(instance.read_text())["transport"]["tcp"].split("/")[0].rpartition(":")[2]
    api = start_frontend(launcher)
    wait_for_routes(api, "plain", PROMPT)
    options = json.loads(launcher.latches.reached("sockets"))[port]
    assert options
    assert all(options)
    assert process.terminate() == 0


class Unheard:
    """Discovery as who has not heard that a worker left: a copy of it that is kept alive."""

    def __init__(self, launcher: Launcher) -> None:
        self.folder = launcher.folder / "unheard"
        shutil.copytree(launcher.folder / "discovery", self.folder)
        self._over = Event()
        self._keeper = Thread(target=self._keep)

    def __enter__(self) -> Unheard:
        self._keeper.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._keeper.join()

    def _keep(self) -> None:
        while not self._over.wait(1):
            for record in self._records():
                record.touch()

    def _records(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


def test_section_12_2_late_arrivals_are_served_and_then_refused_as_by_an_unavailable_worker(
    launcher: Launcher, model_folder: str
) -> None:
    # 7 s of work, of which 6.3 are the wait's; the second half of that refuses.
    timeout = {"DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "12"}
    process = serve(launcher, model_folder, "lifecycles:Gated", **timeout)
    with Unheard(launcher) as unheard, ExitStack() as stack:
        api = start_frontend(launcher, env={"DYN_FILE_KV": str(unheard.folder)})
        wait_for_model(api)
        early = begin(stack, api)
        process.send(signal.SIGTERM)
        asked = time.monotonic()
        process.wait_for_line("waiting for 1 requests in flight")
        assert instances(launcher) == []
        late = begin(stack, api)
        # What the runtime answers without a handler is what it answers for a worker that is gone.
        process.wait_for_line("Unregistered TCP endpoint handler")
        assert time.monotonic() - asked > 3
        refused = api.complete(PROMPT, model="plain")
        assert refused.status == 503, refused.text
        launcher.latches.release("go")
        finishes(*early)
        finishes(*late)
    assert process.wait() == 0
    process.wait_for_line("drained: 2 requests finished, none was cut")
