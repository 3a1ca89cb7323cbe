"""A child that the engine forked keeps nothing that the worker listens on, or talks through."""

import os
import signal
import socket
from contextlib import closing, suppress
from pathlib import Path

from support.api import DONE
from support.launcher import Launcher
from support.ports import LOOPBACK
from support.processes import PATIENCE

PROMPT = "alpha beta gamma"


def sockets_of(pid: int) -> list[tuple[int, str]]:
    """Local port and state (``0A``: listens) of every TCP socket that the process has."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(str(entry.readlink()))
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
    ]
    return [
        (int(row[1].rpartition(":")[2], 16), row[3])
        for row in rows
        if f"socket:[{row[9]}]" in inodes
    ]


def test_fault_36_the_ports_are_free_when_the_worker_is_killed_and_its_child_lives(
    launcher: Launcher, model_folder: str
) -> None:
    system = launcher.ports.reserve()
    server = launcher.serve(
        "copied:Copied", "--model-name", model_folder, env={"DYN_SYSTEM_PORT": str(system)}
    )
    own = int(launcher.latches.reached("own"))
    with server.api.stream_completion(PROMPT) as stream:
        child = int(launcher.latches.reached("copied"))
        try:
            server.process.send(signal.SIGKILL)
            assert server.process.wait() == -signal.SIGKILL
            assert sockets_of(child) == [(own, "0A")]
            # Whoever was connected learns that nobody is there.
            assert DONE not in [event.data for event in stream.events()]
            for port in (server.api.port, system):
                with closing(socket.socket()) as again:
                    again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    again.bind((LOOPBACK, port))
                    again.listen()
            with socket.create_connection((LOOPBACK, own), PATIENCE) as connection:
                assert connection.recv(4) == b"here"
        finally:
            os.kill(child, signal.SIGKILL)
