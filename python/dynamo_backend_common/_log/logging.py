"""The log of the Rust side, as records of `logging`.

A record's logger is ``dynamo_backend_common.rust`` followed by the target of the event, its
``created`` the event's own time. ``fields`` are the event's, by name; ``request_id`` and
``trace_id`` are those of the request which it belongs to, or None.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from .._core import log_to_python, log_to_stderr
from .console import Console

if TYPE_CHECKING:
    from collections.abc import Mapping

# `logging` has no name for it.
_TRACE = 5
_NAME = "dynamo_backend_common.rust"
_LOGGER = logging.getLogger(_NAME)
_console = Console()


def choose_log(*, embedded: bool) -> bool:
    """Decides, once for the process, where the log of the Rust side goes.

    To `logging` where a program that is more than the worker runs it, or has configured that;
    otherwise Dynamo's own log, on standard error, and Python's beside it in the same form.

    Returns:
        Whether the latter is the case: `close_console` is to be called then.
    """
    if embedded or not _console.is_wanted(_LOGGER):
        log_to_python()
        return False
    as_json, local_time = log_to_stderr()
    _console.open(as_json=as_json, local_time=local_time)
    return True


def close_console() -> None:
    """Leaves Python's log as it was, after the last run that has the console."""
    _console.close()


def lowest_level() -> int:
    """The lowest level that any logger of the Rust side takes."""
    known = logging.root.manager.loggerDict
    loggers = [known[name] for name in list(known) if name.startswith(_NAME + ".")]
    lowest = min(
        logger.getEffectiveLevel()
        for logger in (_LOGGER, *loggers)
        if isinstance(logger, logging.Logger)
    )
    return max(lowest, logging.root.manager.disable + 1)


def take(
    target: str,
    level: int,
    text: str,
    created: float,
    thread: tuple[int, str | None],
    place: tuple[str | None, int | None],
    fields: Mapping[str, object],
    request_id: str | None,
    trace_id: str | None,
) -> None:
    """Logs one event."""
    name = f"{_NAME}.{target.replace('::', '.')}"
    logger = logging.getLogger(name)
    if not logger.isEnabledFor(level):
        return
    path, line = place
    record = logger.makeRecord(
        name, level, path or "(unknown file)", line or 0, text, (), None, None
    )
    if level == _TRACE:
        record.levelname = "TRACE"
    record.relativeCreated += (created - record.created) * 1000
    record.created = created
    record.msecs = created % 1 * 1000
    ident, thread_name = thread
    if ident != threading.get_ident():
        record.thread, record.threadName = ident, thread_name
    # A program's own record factory may know a request too.
    record.request_id = request_id or getattr(record, "request_id", None)
    record.trace_id = trace_id or getattr(record, "trace_id", None)
    record.fields = fields
    logger.handle(record)
