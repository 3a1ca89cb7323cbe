"""A pipe that nobody reads, as a log collector leaves it that has stopped."""

from __future__ import annotations

import os


class UnreadPipe:
    """A context manager; ``write`` is the end that a process gets as one of its streams."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()

    def fill(self) -> None:
        """From here on a write of one byte waits for ever."""
        # A description of its own: the process's must go on waiting.
        own = os.open(f"/proc/self/fd/{self.write}", os.O_WRONLY | os.O_NONBLOCK)
        try:
            for size in (65536, 4096, 1):
                self._fill(own, size)
        finally:
            os.close(own)

    @staticmethod
    def _fill(descriptor: int, size: int) -> None:
        try:
            while True:
                os.write(descriptor, b"x" * size)
        except BlockingIOError:
            return

    def __enter__(self) -> UnreadPipe:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._read)
        os.close(self.write)
