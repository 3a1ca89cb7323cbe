"""Dynamo's servers, as Debian packages them: etcd for discovery, NATS for the planes.

Each listens on loopback ports of the test's own, keeps its data below the test's folder, and can be
suspended, killed, and started again with its data at the same address.
"""

from __future__ import annotations

import base64
import json
import signal
from contextlib import closing, suppress
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from .ports import LOOPBACK
from .processes import PATIENCE, until

if TYPE_CHECKING:
    from .launcher import Launcher
    from .processes import Process


class Server:
    """A server that can fall silent, die and come back. Nothing runs before `start`."""

    def __init__(self, launcher: Launcher, *command: str) -> None:
        self._launcher = launcher
        self._command = command
        self._process: Process | None = None

    def start(self) -> None:
        """Starts it, with what it knew before, and waits until it answers."""
        self._process = self._launcher.start(*self._command, cwd=self._launcher.folder)
        until(self._answers, f"{self._command[0]} answers")

    def suspend(self) -> None:
        """Stops it where it is: its connections stay, and nothing answers on them."""
        self._running().send(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        self._running().send(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it without a word. What it wrote to disk stays."""
        self._running().kill()
        self._process = None

    def _running(self) -> Process:
        assert self._process is not None, f"{self._command[0]} does not run"
        return self._process

    def _answers(self) -> bool:
        raise NotImplementedError


class Etcd(Server):
    """etcd, and a look at the keys in it."""

    def __init__(self, launcher: Launcher) -> None:
        self._port = launcher.ports.reserve()
        client, peer = (
            f"http://{LOOPBACK}:{port}" for port in (self._port, launcher.ports.reserve())
        )
        super().__init__(
            launcher,
            "etcd",
            f"--data-dir={launcher.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            # Workers of the tests ask more often than the default allows.
            "--grpc-keepalive-min-time=500ms",
            "--log-level=error",
        )
        self.url = client

    def keys(self) -> list[str]:
        """All keys, without their values."""
        found = self._ask("/v3/kv/range", _everything() | {"keys_only": True}).get("kvs", [])
        return [_text(item["key"]) for item in found]

    def instances(self) -> list[str]:
        """The keys of the endpoints' instances, by which a frontend finds a worker."""
        return [key for key in self.keys() if key.startswith("v1/instances/")]

    def cards(self) -> list[str]:
        """The keys of the models' cards."""
        return [key for key in self.keys() if key.startswith("v1/mdc/")]

    def records(self, folder: str) -> list[dict[str, Any]]:
        """What is registered below ``folder``, such as ``v1/mdc``."""
        found = self._ask("/v3/kv/range", _everything()).get("kvs", [])
        own = (item for item in found if _text(item["key"]).startswith(f"{folder}/"))
        return [json.loads(_text(item["value"])) for item in own]

    def deleted(self, count: int) -> list[str]:
        """The first keys that were deleted since etcd was started, in their order."""
        watch = {"create_request": _everything() | {"start_revision": "1"}}
        connection = HTTPConnection(LOOPBACK, self._port, timeout=PATIENCE)
        with closing(connection):
            connection.request("POST", "/v3/watch", json.dumps(watch))
            deleted: list[str] = []
            for line in connection.getresponse():
                events = json.loads(line)["result"].get("events", [])
                deleted += [
                    _text(event["kv"]["key"]) for event in events if event.get("type") == "DELETE"
                ]
                if len(deleted) >= count:
                    break
            return deleted[:count]

    def leases(self) -> list[str]:
        """The leases that are alive: one per process that is connected."""
        found = self._ask("/v3/lease/leases", {}).get("leases", [])
        return [lease["ID"] for lease in found]

    def delete(self) -> None:
        """Deletes all keys; their leases stay."""
        self._ask("/v3/kv/deleterange", _everything())

    def revoke(self, lease: str) -> None:
        """Ends a lease before its time, as when it ran out."""
        self._ask("/v3/lease/revoke", {"ID": lease})

    def _answers(self) -> bool:
        with suppress(OSError):
            self.keys()
            return True
        return False

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Asks etcd's HTTP gateway; keys and values travel in base64."""
        connection = HTTPConnection(LOOPBACK, self._port, timeout=PATIENCE)
        with closing(connection):
            connection.request("POST", path, json.dumps(body))
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                raise ConnectionError(f"etcd: {response.status} {answer!r}")
            decoded: dict[str, Any] = json.loads(answer)
            return decoded


class Nats(Server):
    """nats-server with JetStream, which keeps its streams on disk; ``options`` are its own."""

    def __init__(self, launcher: Launcher, *options: str) -> None:
        self._port = launcher.ports.reserve()
        super().__init__(
            launcher,
            "nats-server",
            "--addr",
            LOOPBACK,
            "--port",
            str(self._port),
            "--jetstream",
            "--store_dir",
            str(launcher.folder / "nats"),
            *options,
        )
        self.url = f"nats://{LOOPBACK}:{self._port}"

    def _answers(self) -> bool:
        return "Server is ready" in self._running().output


def _everything() -> dict[str, Any]:
    """The range of all keys."""
    first = base64.b64encode(b"\0").decode()
    return {"key": first, "range_end": first}


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()
