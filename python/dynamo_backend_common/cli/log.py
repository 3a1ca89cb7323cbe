"""``--log-level`` and ``--log-format``: Dynamo's own variables of the log, set for this process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .options import Setting


def set_log(level: Setting, form: Setting) -> None:
    """Writes the variables, but for what they say already and for Dynamo's own defaults."""
    if level.kind in ("option", "file") or level.value not in (None, level.row.default):
        os.environ["DYN_LOG"] = level.value
    if form.kind in ("option", "file"):
        os.environ["DYN_LOGGING_JSONL"] = "true" if form.value == "json" else "false"
        # It would count before the other one.
        os.environ.pop("DYN_LOGGING_CONSOLE_FORMAT", None)
