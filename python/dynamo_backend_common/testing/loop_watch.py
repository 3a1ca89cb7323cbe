"""Who blocks an event loop, and at which line."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from .places import Places

_BLOCKED_SECONDS = 0.25
_SAMPLES = 10


class LoopWatch:
    """Samples the loop's thread while no callback begins there; a context manager in the loop.

    It counts as blocked where each sample of a quarter of a second was in code that is neither
    asyncio's nor this package's: what holds up the whole process does not.
    """

    def __init__(self, places: Places) -> None:
        self.blocked: Counter[str] = Counter()
        """Lines that blocked it, with how often."""
        self._places = places
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
        pause = _BLOCKED_SECONDS / _SAMPLES / 2
        self._next = asyncio.get_running_loop().call_later(pause, self._beat)

    def _watch(self) -> None:
        places: list[str] = []
        beats = 0
        while not self._ended.wait(_BLOCKED_SECONDS / _SAMPLES):
            frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001
            place = self._places.of_loop(frame)
            if self._beats != beats or place is None:
                beats = self._beats
                places.clear()
                continue
            places.append(place)
            if len(places) == _SAMPLES:
                [(most, _)] = Counter(places).most_common(1)
                self.blocked[most] += 1
