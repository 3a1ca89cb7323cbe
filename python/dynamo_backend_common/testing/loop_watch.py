"""Who blocks an event loop, and at which line."""

from __future__ import annotations

import asyncio
import linecache
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType, TracebackType

BLOCKED_SECONDS = 0.25
"""What counts as blocked: for so long no other request got its token."""

_SAMPLES = 10
_LOOP = str(Path(asyncio.__file__).parent)
_STANDARD = str(Path(threading.__file__).parent)
_PACKAGE = Path(__file__).parent.parent
_OURS = (str(_PACKAGE / "_serving"), str(_PACKAGE / "testing"))


class LoopWatch:
    """Samples the loop's thread while nothing else runs there; a context manager inside the loop.

    A stall counts where each sample of it was in other code than asyncio's and ours: one by which
    the whole process was held up does not.
    """

    def __init__(self) -> None:
        self.blocked: Counter[str] = Counter()
        """Lines that blocked it, with how often."""
        self._beats = 0
        self._ended = threading.Event()
        self._loop_thread = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="loop-watch", daemon=True)
        self._next: asyncio.TimerHandle | None = None

    def __enter__(self) -> LoopWatch:
        self._beat()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._next is not None:
            self._next.cancel()

    def _beat(self) -> None:
        self._beats += 1
        pause = BLOCKED_SECONDS / _SAMPLES / 2
        self._next = asyncio.get_running_loop().call_later(pause, self._beat)

    def _watch(self) -> None:
        places: list[str] = []
        beats = 0
        while not self._ended.wait(BLOCKED_SECONDS / _SAMPLES):
            place = _place(sys._current_frames().get(self._loop_thread))  # noqa: SLF001
            if self._beats != beats or place is None:
                beats = self._beats
                places.clear()
                continue
            places.append(place)
            if len(places) == _SAMPLES:
                [(most, _)] = Counter(places).most_common(1)
                self.blocked[most] += 1


def _place(frame: FrameType | None) -> str | None:
    """The line of somebody's own code that runs on the loop; None where it waits, or runs us."""
    found: FrameType | None = None
    while frame is not None and not frame.f_code.co_filename.startswith(_LOOP):
        file = frame.f_code.co_filename
        if found is None and not file.startswith(_OURS):
            is_installed = "site-packages" in file
            if is_installed or not file.startswith((_STANDARD, "<")):
                found = frame
        frame = frame.f_back
    if found is None or frame is None:
        return None
    code = found.f_code
    line = linecache.getline(code.co_filename, found.f_lineno).strip()
    return f"{Path(code.co_filename).name}:{found.f_lineno} in {code.co_qualname}: {line}"
