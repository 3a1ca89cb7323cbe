"""The file of ``--config``: TOML, whose keys are the names of the options."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .failure import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection


def read_file(path: str, known: Collection[str]) -> dict[str, Any]:
    """What the file at ``path`` says, by key.

    Raises:
        UsageError: It cannot be read, is no TOML, or has a key that is not ``known``.
    """
    try:
        content = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"--config: cannot read '{path}': {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"--config: '{path}' is no TOML: {error}") from None
    for key in content:
        if key not in known:
            close = get_close_matches(key.replace("-", "_"), known, n=1, cutoff=0)
            raise UsageError(f"{path}: unknown key '{key}'; the nearest is '{close[0]}'")
    return content
