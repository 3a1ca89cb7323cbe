"""llama.cpp's log lines, as records of Python's logging; what is below a warning is dropped."""

from __future__ import annotations

import ctypes
import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

_WARNING, _ERROR, _CONTINUED = 3, 4, 5
_LEVELS = {_WARNING: logging.WARNING, _ERROR: logging.ERROR}


@dataclass(kw_only=True, slots=True)
class CallLog:
    """What llama.cpp writes during a call.

    Attributes:
        first_error: The first error line: what a failed call, which itself only answers that it
            failed, was about. Later lines say no more than that. Empty: there was none.
        withholds_warnings: Whether warnings are dropped too: of what is expected and mended.
        withholds_errors: Whether errors are not logged either.
    """

    first_error: str = ""
    withholds_warnings: bool = False
    withholds_errors: bool = False


class _Thread(threading.local):
    # What is called now.
    call: CallLog | None = None
    # Of the line that may be continued.
    level: int | None = None


class LlamaLog:
    """The receiver of llama.cpp's log lines, one for the process.

    llama.cpp writes in the thread that called it, so a line belongs to that thread's call.
    """

    def __init__(self) -> None:
        self._thread = _Thread()

    def install(self, library: Any) -> None:
        """Makes llama.cpp write here; `library` is the module of its functions."""
        # The library keeps the bare address: the object must live as long as the process.
        self._callback = library.llama_log_callback(self._receive)
        library.llama_log_set(self._callback, ctypes.c_void_p(0))

    @contextmanager
    def of_call(
        self, *, withholds_warnings: bool = False, withholds_errors: bool = False
    ) -> Iterator[CallLog]:
        """What is written during a block, which calls llama.cpp, in this thread."""
        call = self._thread.call = CallLog(
            withholds_warnings=withholds_warnings, withholds_errors=withholds_errors
        )
        try:
            yield call
        finally:
            self._thread.call = None

    def _receive(self, level: int, text: bytes, _: Any) -> None:
        """May be called by any thread."""
        here = self._thread
        if level != _CONTINUED:
            here.level = _LEVELS.get(level)
        line = text.decode(errors="replace").strip()
        if here.level is None or not line:
            return
        if here.call is not None and here.level == logging.ERROR:
            here.call.first_error = here.call.first_error or line
            if here.call.withholds_errors:
                return
        elif here.call is not None and here.call.withholds_warnings:
            return
        logger.log(here.level, "%s", line)


LOG = LlamaLog()
"""The receiver; `binding` installs it."""
