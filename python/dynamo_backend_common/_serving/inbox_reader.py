"""An event loop as the reader of a worker's inbox, for as long as it lives."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .._core import Inbox


class InboxReader:
    """Has ``loop`` read ``inbox``; calls ``on_closed`` where the loop is closed before `stop`.

    A loop that is closed says so to nobody, but lets go of its readers: it alone holds this one's.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, inbox: Inbox, on_closed: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._descriptor = inbox.fileno()
        self._process = os.getpid()
        reading = _Reading(inbox)
        self._held = weakref.finalize(reading, self._let_go, on_closed)
        self._held.atexit = False
        loop.add_reader(self._descriptor, reading)

    def stop(self) -> None:
        """Reads no more; what the log has still to say is said."""
        held = self._held.detach()
        if held is not None:
            reading: Any = held[0]
            if not self._loop.is_closed():
                self._loop.remove_reader(self._descriptor)
            reading.inbox.close()

    def _let_go(self, on_closed: Callable[[], None]) -> None:
        # A forked child lets go of its parent's loop, too.
        if os.getpid() == self._process:
            on_closed()


class _Reading:
    """What the loop calls."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox

    def __call__(self) -> None:
        self.inbox.drain()
