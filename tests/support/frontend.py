"""Dynamo's own frontend, of its own packages, in an environment and a process of its own."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .api import Api
from .launcher import NOTHING
from .ports import LOOPBACK
from .processes import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .launcher import Launcher

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dynamo-backend-common"
RELEASE = os.environ.get("FRONTEND") or "1.6.1"
PYTHON = CACHE / f"frontend-{RELEASE}" / "bin" / "python"

# It took the name of an interface there, not an address.
_OLD = {"DYN_TCP_RESPONSE_STREAM_HOST": "lo"} if RELEASE.startswith("1.3.") else {}


def start_frontend(
    launcher: Launcher,
    *options: str,
    discovery: str = "file",
    request_plane: str = "tcp",
    env: Mapping[str, str] = NOTHING,
) -> Api:
    """Starts the frontend, with discovery by the launcher's files; waits until it listens."""
    assert PYTHON.is_file(), (
        f"Dynamo's own frontend is not installed in {PYTHON.parents[1]}: run `make setup`"
    )
    port = launcher.ports.reserve()
    process = launcher.start(
        str(PYTHON),
        "-m",
        "dynamo.frontend",
        "--http-host",
        LOOPBACK,
        "--http-port",
        str(port),
        "--discovery-backend",
        discovery,
        "--request-plane",
        request_plane,
        *options,
        cwd=launcher.folder,
        env=_OLD | dict(env),
    )
    process.wait_for_line(rf"Starting HTTP.*:{port}\b")
    return Api(port)


def answers(api: Api, path: str, body: dict[str, Any]) -> bytes:
    """The answer, once the frontend has the endpoint."""
    found: list[bytes] = []

    def is_there() -> bool:
        with suppress(ConnectionRefusedError):
            status, answer = api.post_for_bytes(path, body)
            assert status in (200, 404, 503), answer
            found[:] = [answer]
            return status == 200
        return False

    until(is_there, f"the frontend answers {path}")
    return found[0]
