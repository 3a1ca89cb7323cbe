"""Python's log on standard error, in the form of Dynamo's own, where a program has set up none."""

from __future__ import annotations

import json
import logging
import os
import threading
from datetime import UTC, datetime
from typing import Any

from .request import RequestLogFilter

_LEVELS = {
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}
# What every record has is no field of the event's own.
_USUAL = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


class Console:
    """A handler on the root logger, while workers run in a program that has set up no log."""

    def __init__(self) -> None:
        self._handler: logging.Handler | None = None
        self._level = logging.NOTSET
        # Runs in several threads share it.
        self._users = 0
        self._lock = threading.Lock()

    def is_wanted(self, logger: logging.Logger) -> bool:
        """Whether nothing else has the records of ``logger``."""
        with self._lock:
            return self._users > 0 or not logger.hasHandlers()

    def open(self, *, as_json: bool, local_time: bool) -> None:
        """Sends what the program logs to standard error, from the level of ``DYN_LOG`` on.

        Until it was closed as often as it was opened.
        """
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._attach(as_json, local_time)

    def close(self) -> None:
        """Gives the root logger back as it was, after the last of the runs."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._detach()

    def _attach(self, as_json: bool, local_time: bool) -> None:
        self._handler = logging.StreamHandler()
        self._handler.addFilter(RequestLogFilter())
        self._handler.setFormatter((_JsonLines if as_json else _Readable)(local_time))
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(asked_level(os.environ.get("DYN_LOG", "")))
        root.addHandler(self._handler)

    def _detach(self) -> None:
        root = logging.getLogger()
        if self._handler is not None:
            root.removeHandler(self._handler)
        root.setLevel(self._level)
        self._handler = None


def asked_level(directives: str) -> int:
    """The level that ``DYN_LOG`` has for everything; INFO where it names none."""
    asked = [part.strip().lower() for part in directives.split(",")]
    return next((_LEVELS[part] for part in reversed(asked) if part in _LEVELS), logging.INFO)


class _Formatter(logging.Formatter):
    def __init__(self, local_time: bool) -> None:
        super().__init__()
        self._local = local_time

    def _time(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC)
        if self._local:
            return time.astimezone().isoformat(timespec="microseconds")
        return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"

    def _traceback(self, record: logging.LogRecord) -> str:
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        stack = self.formatStack(record.stack_info) if record.stack_info else ""
        return "\n".join(part for part in (record.exc_text, stack) if part)


class _Readable(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        known = [f"{name}={value}" for name, value in _fields(record) if value is not None]
        head = f"{self._time(record)} {_level(record):>5} {record.name}:"
        line = " ".join([head, record.getMessage(), *known])
        traceback = self._traceback(record)
        return f"{line}\n{traceback}" if traceback else line


class _JsonLines(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self._time(record),
            "level": _level(record),
            "file": record.pathname,
            "line": record.lineno,
            "target": record.name,
            "message": record.getMessage(),
        }
        fields = {name: value for name, value in _fields(record) if value is not None}
        traceback = self._traceback(record)
        if traceback:
            fields["exception"] = traceback
        # What names the line is not overwritten by a field of the same name.
        return json.dumps(
            line | {name: fields[name] for name in fields if name not in line}, default=str
        )


def _level(record: logging.LogRecord) -> str:
    names = ((logging.ERROR, "ERROR"), (logging.WARNING, "WARN"), (logging.INFO, "INFO"))
    below = "DEBUG" if record.levelno >= logging.DEBUG else "TRACE"
    return next((name for level, name in names if record.levelno >= level), below)


def _fields(record: logging.LogRecord) -> list[tuple[str, object]]:
    """What a record was given beyond what every one has: ``extra``, and the request's."""
    return [(name, value) for name, value in vars(record).items() if name not in _USUAL]
