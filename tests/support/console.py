"""Runs the lines that a page shows of a console, and compares what they write."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .pages import filled_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .launcher import Launcher
    from .pages import Command
    from .processes import Process


class Console:
    """A shell in the launcher's folder, with this Python's programs first on its path."""

    def __init__(self, launcher: Launcher, replaced: Mapping[str, str]) -> None:
        """``replaced`` has what is another value here than on the page, as ports are."""
        self._launcher = launcher
        self._replaced = replaced
        self._background: Process | None = None
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._variables = {"PATH": path, "PYTHONPATH": str(launcher.folder)}

    def run(self, commands: Iterable[Command]) -> None:
        """Runs them one after the other; each has to show what the page shows below it.

        What is in the background is waited for until it shows its lines. From then on its lines may
        be below those of the other commands, as in a terminal.
        """
        for command in commands:
            line = filled_in(command.line, self._replaced)
            shown = [self._pattern(text) for text in command.shown if text != "…"]
            if line.endswith("&"):
                assert self._background is None, "the page has two in the background"
                self._background = self._start(line.removesuffix("&"))
                _appear(shown, self._background)
            elif line == "kill %1":
                assert self._background is not None, "the page has nothing in the background"
                before = len(self._background.lines)
                assert self._background.terminate() == 0
                _appear(shown, self._background, since=before)
                self._background = None
            else:
                before = len(self._background.lines) if self._background else 0
                process = self._start(line)
                process.wait()
                others = [one for one in shown if not re.search(one, process.output, re.MULTILINE)]
                if others:
                    assert self._background is not None, (others, process.describe())
                    _appear(others, self._background, since=before)
        assert self._background is None, "the page leaves something in the background"

    def _pattern(self, shown: str) -> str:
        parts = filled_in(shown, self._replaced).split("…")
        return f"^{'.*'.join(map(re.escape, parts))}$"

    def _start(self, line: str) -> Process:
        folder = self._launcher.folder
        return self._launcher.start("bash", "-c", line, cwd=folder, env=self._variables)


def _appear(patterns: Iterable[str], process: Process, since: int = 0) -> None:
    for pattern in patterns:
        process.wait_for_line(pattern, since=since)
