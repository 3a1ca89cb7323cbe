"""llama.cpp's log lines, as records of Python's logging; what is below a warning is dropped."""

from __future__ import annotations

import ctypes
import logging
from typing import Any

logger = logging.getLogger(__name__)

_WARNING, _ERROR, _CONTINUED = 3, 4, 5
_LEVELS = {_WARNING: logging.WARNING, _ERROR: logging.ERROR}


class LlamaLog:
    """The receiver of llama.cpp's log lines, one for the process.

    Attributes:
        first_error: The first error line since it was made empty: what a failed call, which itself
            only answers that it failed, was about. Later lines say no more than that.
        withholds_warnings: Whether warnings are dropped too: of what is expected and mended.
        withholds_errors: Whether errors are not logged either.
    """

    def __init__(self) -> None:
        self.first_error = ""
        self.withholds_warnings = False
        self.withholds_errors = False
        self._level: int | None = None

    def install(self, library: Any) -> None:
        """Makes llama.cpp write here; `library` is the module of its functions."""
        # The library keeps the bare address: the object must live as long as the process.
        self._callback = library.llama_log_callback(self._receive)
        library.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _receive(self, level: int, text: bytes, _: Any) -> None:
        """May be called by any thread."""
        if level != _CONTINUED:
            self._level = _LEVELS.get(level)
        line = text.decode(errors="replace").strip()
        if self._level is None or not line:
            return
        if self._level == logging.ERROR:
            self.first_error = self.first_error or line
            if self.withholds_errors:
                return
        elif self.withholds_warnings:
            return
        logger.log(self._level, "%s", line)


LOG = LlamaLog()
"""The receiver; `binding` installs it."""
