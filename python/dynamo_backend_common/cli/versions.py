"""Which releases there are in this process."""

from __future__ import annotations

import platform
from importlib.metadata import version

from .._core import DYNAMO_VERSION


def own_version() -> str:
    """The package's own."""
    return version("dynamo-backend-common")


def versions() -> str:
    """The package's, that of Dynamo's crates, and Python's, in one line."""
    return f"{own_version()} (Dynamo {DYNAMO_VERSION}, Python {platform.python_version()})"
