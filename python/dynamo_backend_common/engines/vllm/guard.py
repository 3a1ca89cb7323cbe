"""What kills vLLM's processes where the worker cannot: it was killed itself, or ended by force.

Nothing else would: an engine core waits for requests for ever, with the memory of its GPU.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

_PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
processes = []
for line in sys.stdin:
    try:
        processes.append(os.pidfd_open(int(line)))
    except ProcessLookupError:
        pass
for process in processes:
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""
_PATIENCE_SECONDS = 1.0


class Guard:
    """A process that ends with this one, however that ends, and then ends those of `watch`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            # Without what is installed: it is quick, and small.
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            # What a terminal sends to all processes of its command is not for this one.
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its own."""
        return self._process.pid

    def watch(self, pid: int) -> None:
        """Has this process end too."""
        # Who ends it has what it was there for.
        with suppress(OSError):
            self._process.stdin.write(b"%d\n" % pid)  # type: ignore[union-attr]

    def end(self) -> None:
        """Ends all of them, as if this process had ended."""
        with suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_SECONDS)
