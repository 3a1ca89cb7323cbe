"""The package ai-dynamo, which the engine itself imports: its release, and what is needed of it."""

from __future__ import annotations

import importlib
import re
from importlib import metadata
from typing import Any

from .._core import DYNAMO_VERSION
from ..exceptions import InvalidArgument

_DISTRIBUTIONS = ("ai-dynamo", "ai-dynamo-runtime")
_MODULES = ("dynamo.common.backend", "dynamo.common.backend.run", "dynamo.llm.exceptions")


def require() -> None:
    """Imports what is needed of ai-dynamo.

    Raises:
        InvalidArgument: It is not installed, cannot be imported, or is of another release than the
            one that this package is built on.
    """
    mend = f"to have it: pip install 'ai-dynamo=={DYNAMO_VERSION}'"
    for distribution in _DISTRIBUTIONS:
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            raise InvalidArgument(
                f"--reference: the package {distribution} is not installed in this environment;"
                f" {mend}"
            ) from None
        if _release(version) != _release(DYNAMO_VERSION):
            raise InvalidArgument(
                f"--reference: {distribution} {version} is installed, and this package is for"
                f" {DYNAMO_VERSION}; {mend}"
            )
    for module in _MODULES:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise InvalidArgument(
                f"--reference: {module} of ai-dynamo cannot be imported: {error}"
            ) from error


def theirs(module: str, name: str) -> Any:
    """``name`` of a module of ai-dynamo, which `require` has found."""
    return getattr(importlib.import_module(f"dynamo.{module}"), name)


def _release(version: str) -> str:
    """Without what tells builds of one release apart."""
    found = re.match(r"\d+(\.\d+)*", version)
    return found[0] if found else version
