"""The line that a person sees, on a terminal only, while the engine starts and while it drains."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from ..state import WorkerState

if TYPE_CHECKING:
    from types import TracebackType

    from rich.live import Live

_WORDS = {
    WorkerState.Connecting: "Connecting to Dynamo",
    WorkerState.Starting: "Starting the engine",
    WorkerState.Registering: "Registering the model",
    WorkerState.Draining: "Finishing requests (Ctrl-C again stops at once)",
}


class ProgressLine:
    """One line on ``stream``: what happens, what the engine reports of it, and since when.

    A context manager, so that the line is gone whatever happens. ``state`` and ``report`` are the
    worker's ``on_state`` and ``on_progress``; ``report`` may be called from any thread. Where
    the stream is no terminal, or rich is not installed, nothing is ever shown.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live: Live | None = None
        self._since = time.monotonic()
        self._words = ""
        self._reported = ""

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._hide()

    def state(self, state: WorkerState) -> None:
        """Shows the line in a state that has one, and hides it in every other."""
        words = _WORDS.get(state)
        if words is None:
            self._hide()
        elif self._stream.isatty():
            self._show(words)

    def report(self, message: str, fraction: float | None = None) -> None:
        """Adds what the engine reports; ``fraction`` is the part that is done, 0 to 1."""
        share = "" if fraction is None else f" {min(max(fraction, 0.0), 1.0):.0%}"
        self._reported = f"{message}{share}"

    def text(self) -> str:
        """The line as it is now."""
        reported = f": {self._reported}" if self._reported else ""
        return f"{self._words}{reported}, {time.monotonic() - self._since:.1f} s"

    def _show(self, words: str) -> None:
        # Only here: most runs have no terminal and need not pay for the import.
        try:
            from rich.console import Console
            from rich.live import Live
            from rich.text import Text
        except ImportError:
            return
        self._words, self._reported = words, ""
        if self._live is None:
            self._since = time.monotonic()
            self._live = Live(
                get_renderable=lambda: Text(self.text(), overflow="ellipsis", no_wrap=True),
                console=Console(file=self._stream),
                refresh_per_second=10,
                # What the engine prints belongs to stdout, also where that is a file.
                redirect_stdout=sys.stdout.isatty(),
                transient=True,
            )
            self._live.start()

    def _hide(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()
