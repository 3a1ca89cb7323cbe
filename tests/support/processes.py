"""A process under test: its output line by line, its signals, its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PATIENCE = 60.0
"""Seconds that a test waits for something that must happen; how soon is never asserted."""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_SHOWN_LINES = 300


def until(happened: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Waits until ``happened()``; fails saying ``what`` never did."""
    end = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether any process of this number is there and has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def all_of(*parts: str) -> str:
    """A pattern of a line that has all of the parts, in any order."""
    return "".join(f"(?=.*{re.escape(part)})" for part in parts)


class Process:
    """A started process. Its output is collected until it ends; `kill` ends it in any case.

    Given ``stdout`` or ``stderr``, that stream goes to the descriptor and is not collected.

    Attributes:
        command: What was started.
        lines: Everything written so far to either stream, in the order of arrival, without colours.
    """

    started: list[Process] = []  # noqa: RUF012 (of the whole session, for the report of a failure)

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> None:
        self.command = list(command)
        self.lines: list[str] = []
        self._name = " ".join(self.command)
        self._of: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._changed = Condition()
        # A session of its own: whatever it starts itself can be ended with it.
        self._process = subprocess.Popen(
            self.command,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        self._readers = [
            Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()
        Process.started.append(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def stdout(self) -> str:
        """What was written to standard output; complete after `wait`."""
        return self._text("stdout")

    @property
    def stderr(self) -> str:
        """What was written to standard error; complete after `wait`."""
        return self._text("stderr")

    @property
    def output(self) -> str:
        """What was written to either stream."""
        with self._changed:
            return "\n".join(self.lines)

    def wait_for_line(
        self, pattern: str, *, since: int = 0, patience: float = PATIENCE
    ) -> re.Match[str]:
        """Waits for a line, of those from number ``since`` on, that contains ``pattern``.

        Fails when the process ends without it, or patience does.
        """
        end = time.monotonic() + patience
        with self._changed:
            while True:
                for line in self.lines[since:]:
                    if match := re.search(pattern, line):
                        return match
                left = end - time.monotonic()
                why = "in time" if left <= 0 else "" if self._reading() else "before its end"
                if why:
                    raise AssertionError(f"no line {pattern!r} {why} of {self._name}")
                self._changed.wait(min(left, 1.0))

    def wait(self) -> int:
        """Waits for the end and for the rest of the output; returns the exit status."""
        try:
            status = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end in time of {self._name}") from None
        for reader in self._readers:
            reader.join(PATIENCE)
        return status

    def send(self, which: signal.Signals) -> None:
        """Sends a signal to the process alone."""
        self._process.send_signal(which)

    def terminate(self) -> int:
        """Sends SIGTERM and waits; returns the exit status."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Ends the process, and what it started, if that is still there."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for reader in self._readers:
            reader.join(PATIENCE)

    def describe(self) -> str:
        """Command, state and the end of the output."""
        state = "running" if self.alive else f"ended with {self._process.returncode}"
        with self._changed:
            shown = "\n".join(self.lines[-_SHOWN_LINES:])
        return f"{self._name} ({state}):\n{shown}"

    def _text(self, stream: str) -> str:
        with self._changed:
            return "\n".join(self._of[stream])

    def _reading(self) -> bool:
        return any(reader.is_alive() for reader in self._readers)

    def _read(self, name: str, stream: IO[bytes]) -> None:
        with stream:
            for raw in stream:
                line = _ANSI.sub("", raw.decode(errors="replace").rstrip("\r\n"))
                with self._changed:
                    self.lines.append(line)
                    self._of[name].append(line)
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()
