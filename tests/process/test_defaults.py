"""A worker for which no variable of Dynamo's is set: what production has, and no other test.

What would listen beyond the loopback does so in a network of its own, where nobody else is.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from support.api import Api, case, text_of
from support.environment import production
from support.launcher import COMMAND, SUPPORT, Launcher
from support.listening import listening
from support.ports import LOOPBACK
from support.processes import until
from support.streams import PROMPT, begin, finishes
from support.system import SERVING, System

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.processes import Process

MACHINE = "192.0.2.7"
"""An address that is no loopback one, as a machine has; nobody has this one."""
TIMEOUTS = (5.0, 30.0)
"""The runtime's constant in debug builds, and in release ones."""
GRACE = 5.0


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    with Launcher(tmp_path, production) as started:
        yield started


def may_have_a_network() -> bool:
    unshare = shutil.which("unshare")
    return unshare is not None and not subprocess.call([unshare, "--net", "true"])


OWN_NETWORK = pytest.mark.skipif(not may_have_a_network(), reason="may not make a network")


def in_a_network(launcher: Launcher, *arguments: str) -> Process:
    script = str(SUPPORT / "scripts" / "with_address.py")
    return launcher.start(
        *["unshare", "--net", sys.executable, script, MACHINE, *COMMAND, *arguments]
    )


def records(launcher: Launcher, kind: str) -> list[Path]:
    """The records of one kind in discovery by files, wherever its folder is."""
    return [path for path in launcher.folder.rglob(f"v1/{kind}/**/*") if path.is_file()]


def test_one_process_listens_on_loopback_and_waits_no_grace(
    launcher: Launcher, model_folder: str
) -> None:
    server = launcher.serve("defaults:Engine", "--model-name", model_folder)
    ports = listening(server.process.pid)
    assert {address for address, _ in ports} == {LOOPBACK}
    assert (LOOPBACK, server.api.port) in ports
    # Discovery is nobody else's: neither files nor a server.
    server.process.wait_for_line("discovery backend: Memory")
    assert records(launcher, "instances") == []
    # Who failed is asked again at once, as nobody else is there.
    assert server.api.complete(PROMPT, **case("gone")).status >= 500
    assert text_of(server.api.complete(PROMPT).json).strip() == PROMPT

    with ExitStack() as streams:
        stream, first = begin(streams, server.api, **case("gated"))
        server.process.send(signal.SIGTERM)
        deadline = server.process.wait_for_line(r"deadline_secs=([\d.]+)").group(1)
        assert float(deadline) in TIMEOUTS
        launcher.latches.release("go")
        finishes(stream, first)
    assert server.process.wait() == 0


def test_the_system_server_is_off_and_on_loopback_where_it_has_a_port(launcher: Launcher) -> None:
    api = Api(launcher.ports.reserve())
    command = ("serve", "defaults:Engine", "--http-port", str(api.port))
    process = launcher.command(*command, env={"DYN_SYSTEM_PORT": "0"})
    port = int(process.wait_for_line(r"System server on http://127\.0\.0\.1:(\d+)").group(1))
    process.wait_for_line("^Serving")
    assert System(port).is_ready()
    assert {address for address, _ in listening(process.pid)} == {LOOPBACK}
    assert process.terminate() == 0

    process = launcher.command(*command)
    process.wait_for_line("^Serving")
    assert "System server" not in process.output
    assert {address for address, _ in listening(process.pid)} == {LOOPBACK}
    assert process.terminate() == 0


@OWN_NETWORK
def test_a_worker_of_a_cluster_has_productions_defaults(
    launcher: Launcher, model_folder: str
) -> None:
    options = ("--discovery-backend", "file", "--model-name", model_folder)
    process = in_a_network(launcher, "serve", "defaults:Engine", *options)
    process.wait_for_line(SERVING)
    [instance] = records(launcher, "instances")
    [card] = records(launcher, "mdc")
    transport = json.loads(instance.read_text())["transport"]["tcp"]
    address, _, rest = transport.partition(":")
    assert address == MACHINE
    assert listening(process.pid) == {(MACHINE, int(rest.split("/")[0]))}

    began = time.monotonic()
    process.send(signal.SIGTERM)
    deadline = process.wait_for_line(r"deadline_secs=([\d.]+)").group(1)
    assert float(deadline) - GRACE in TIMEOUTS
    until(lambda: not instance.exists(), "the instance is out of discovery")
    # Frontends have the grace to see it; the card goes last.
    assert process.alive
    assert card.exists()
    assert process.wait() == 0
    assert time.monotonic() - began >= GRACE
    assert records(launcher, "mdc") == []


@OWN_NETWORK
def test_discovery_is_etcd_on_this_machine(launcher: Launcher) -> None:
    process = in_a_network(launcher, "serve", "defaults:Engine")
    process.wait_for_line(r"Etcd.*localhost:2379")
    assert process.terminate() == 0
    assert not launcher.latches.is_reached("start")
