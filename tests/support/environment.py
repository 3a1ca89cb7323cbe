"""The environment of a process under test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

_PREFIXES = ("DYN_", "DYNAMO_", "ETCD_", "NATS_", "OTEL_", "PYTHON")
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


def environment(folder: Path) -> dict[str, str]:
    """That of this process without settings of Dynamo, Python and proxies, and with the tests' own.

    Nothing listens beyond the loopback, discovery by files and latches are below ``folder``, and
    shutdown waits no grace but for a minute for what is in flight.
    """
    return _inherited(folder) | {
        "DYN_TCP_RPC_HOST": LOOPBACK,
        "DYN_TCP_RESPONSE_STREAM_HOST": LOOPBACK,
        "DYN_EVENT_PLANE_HOST": LOOPBACK,
        "DYN_SYSTEM_HOST": LOOPBACK,
        "DYN_FILE_KV": str(folder / "discovery"),
        "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "0",
        "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "60",
        # The frontend would avoid the only worker for a while, after an error that says it is gone.
        "DYN_RUNTIME_INHIBITED_DURATION_SECS": "0",
    }


def production(folder: Path) -> dict[str, str]:
    """That of this process without settings of Dynamo, Python and proxies: with its defaults.

    Temporary files are below ``folder``, and with them discovery by files.
    """
    return _inherited(folder) | {"TMPDIR": str(folder)}


def _inherited(folder: Path) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_PREFIXES) and name.lower() not in _PROXIES
    }
    return inherited | {
        "HF_HUB_OFFLINE": "1",
        "LATCHES": str(folder / "latches"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
