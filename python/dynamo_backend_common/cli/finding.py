"""What `doctor` says of one thing, and what a variable is where nobody has set it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from .._core import environment_variables

_ROWS = {row.name: row for row in environment_variables()}


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        mark: ``ok``; ``note``, if it may be intended; ``wrong``, if what is configured cannot
            work.
        subject: What was looked at.
        words: What was found, and how to mend it.
    """

    mark: Literal["ok", "note", "wrong"]
    subject: str
    words: str


def in_effect(name: str) -> str:
    """The variable as the process has it, else its default."""
    row = _ROWS[name]
    return os.environ.get(name) or row.default or row.otherwise.strip("`")
