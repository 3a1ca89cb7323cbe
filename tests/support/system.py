"""A client of the worker's system server, and what it changes in discovery."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from .api import Reply, connection_closed
from .ports import LOOPBACK
from .processes import PATIENCE, Process, until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .launcher import Launcher

SERVING = r"^Serving on "
"""The line of a worker without a frontend that serves."""


@dataclass(frozen=True)
class Answer(Reply):
    """An answer with its headers, in lower case."""

    headers: Mapping[str, str]


class System:
    """The system server on a port of this machine."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self.port = port
        self._token = token

    def request(
        self, method: str, path: str, body: object = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Sends ``body`` as it is where it is bytes, as JSON otherwise."""
        connection = HTTPConnection(LOOPBACK, self.port, timeout=PATIENCE)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = dict(headers or {})
        if self._token is not None:
            sent.setdefault("Authorization", f"Bearer {self._token}")
        with connection_closed(connection):
            connection.request(method, path, content, sent)
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, response.read().decode(), received)

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def control(self, name: str, body: object = b"") -> Answer:
        """Calls an engine control."""
        return self.request("POST", f"/engine/{name}", body)

    def status(self) -> dict[str, Any]:
        """What the worker does with requests."""
        answer = self.get("/engine/status")
        assert answer.status == 200, answer.text
        status: dict[str, Any] = answer.json
        return status

    def hang_up_on(self, name: str, body: object) -> HTTPConnection:
        """Calls a control and returns the connection, for a caller that leaves early."""
        connection = HTTPConnection(LOOPBACK, self.port, timeout=PATIENCE)
        connection.request("POST", f"/engine/{name}", json.dumps(body).encode())
        return connection

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and body of ``/health``."""
        answer = self.get("/health")
        return answer.status, answer.json

    def is_ready(self) -> bool:
        return self.health()[0] == 200

    def is_live(self) -> bool:
        return self.get("/live").status == 200

    def listens(self) -> bool:
        """Whether somebody accepts connections there."""
        with suppress(OSError), socket.create_connection((LOOPBACK, self.port), PATIENCE):
            return True
        return False


def serve(
    launcher: Launcher, engine: str, *options: str, env: Mapping[str, str] | None = None
) -> tuple[Process, System]:
    """Starts a worker with a system server and discovery by files; waits until it serves."""
    port = launcher.ports.reserve()
    settings = {"DYN_SYSTEM_PORT": str(port)} | dict(env or {})
    process = launcher.command(
        "serve", engine, "--discovery-backend", "file", *options, env=settings
    )
    process.wait_for_line(SERVING)
    return process, System(port, settings.get("DYN_SYSTEM_TOKEN"))


def instances(launcher: Launcher) -> list[Path]:
    """The instances in discovery."""
    return sorted((launcher.folder / "discovery" / "v1" / "instances").glob("*generate*"))


def cards(launcher: Launcher) -> list[Path]:
    """The model cards in discovery."""
    return sorted((launcher.folder / "discovery" / "v1" / "mdc").glob("*generate*"))


def model_names(launcher: Launcher) -> set[str]:
    """The names of the model cards in discovery, those of adapters among them."""
    found = (json.loads(path.read_text()) for path in cards(launcher))
    return {record["card_json"]["display_name"] for record in found}


def becomes_ready(system: System) -> None:
    until(system.is_ready, "the worker is ready")


def becomes_not_ready(system: System) -> None:
    until(lambda: not system.is_ready(), "the worker is not ready")
