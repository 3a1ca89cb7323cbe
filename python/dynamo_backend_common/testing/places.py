"""Which line of an engine's own code something happened at."""

from __future__ import annotations

import asyncio
import linecache
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

_PACKAGE = Path(__file__).parent.parent
OURS = tuple(str(_PACKAGE / part) for part in ("_serving", "reference", "testing"))
"""What the files begin with by which an engine is driven."""

_ASYNCIO = str(Path(asyncio.__file__).parent)
_STANDARD = str(Path(threading.__file__).parent)


class Places:
    """Names lines as the author of an engine knows them: the innermost of its own package.

    Where there is none of that, the innermost that is neither Python's nor this package's.
    """

    def __init__(self, engine: Any) -> None:
        self._package = type(engine).__module__.partition(".")[0]

    def of_error(self, raised: BaseException) -> str:
        """What was raised, and where."""
        frames = list(traceback.walk_tb(raised.__traceback__))
        place = self._line(reversed(frames))
        return f"{type(raised).__name__}: {raised}" + (f" ({place})" if place else "")

    def of_loop(self, frame: FrameType | None) -> str | None:
        """What runs on an event loop, whose thread is at ``frame``; None where it waits."""
        return self._line(_above_the_loop(frame))

    def _line(self, innermost_first: Iterable[tuple[FrameType, int]]) -> str | None:
        of_others = None
        for frame, number in innermost_first:
            file = frame.f_code.co_filename
            if file.startswith(OURS):
                continue
            if frame.f_globals.get("__name__", "").partition(".")[0] == self._package:
                return _shown(frame, number)
            is_installed = "site-packages" in file
            if of_others is None and (is_installed or not file.startswith((_STANDARD, "<"))):
                of_others = _shown(frame, number)
        return of_others


def _above_the_loop(frame: FrameType | None) -> Iterator[tuple[FrameType, int]]:
    while frame is not None and not frame.f_code.co_filename.startswith(_ASYNCIO):
        yield frame, frame.f_lineno
        frame = frame.f_back


def _shown(frame: FrameType, number: int) -> str:
    file, function = frame.f_code.co_filename, frame.f_code.co_qualname
    line = linecache.getline(file, number).strip()
    return f"{Path(file).name}:{number} in {function}: {line}"
