"""Python's own view of SIGTERM and SIGINT, before and after a run, and its children's in it.

While a worker runs, the compiled core holds the two signals, and puts the process's handlers back
when they are released. An engine that calls `signal.signal` or asyncio's ``add_signal_handler``
meanwhile does not get them, but changes what Python believes; that is put back here.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from ._core import keep_handlers

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _View:
    """What Python and an event loop know of the handlers."""

    runs = 0
    before: _View | None = None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._python = {number: signal.getsignal(number) for number in _SIGNALS}
        self._asyncio = {number: self._of_loop(number) for number in _SIGNALS}

    def put_back(self) -> None:
        for number in _SIGNALS:
            handle = self._asyncio[number]
            if not self._loop.is_closed() and self._of_loop(number) is not handle:
                if handle is None:
                    self._loop.remove_signal_handler(number)
                else:
                    self._loop.add_signal_handler(number, handle._callback, *handle._args)  # noqa: SLF001
            handler = self._python[number]
            # None: a handler that was not installed by Python, and cannot be by it.
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        # Setting took the signals away from the core, which holds them a while longer.
        keep_handlers()

    def _of_loop(self, number: signal.Signals) -> Any:
        # asyncio has no public way to ask; a loop of another kind may have none at all.
        return getattr(self._loop, "_signal_handlers", {}).get(number)


class _Keeping(threading.local):
    """How often this thread is inside `ctrl_c_is_ours`, and what it was outside."""

    depth = 0
    was_blocked = False


_keeping = _Keeping()


class _Tracker:
    """What multiprocessing shields from SIGINT, while any thread is inside `ctrl_c_is_ours`.

    Before it spawns the first process it starts a tracker, which it shields by blocking the signal
    too; up to Python 3.12 it then unblocks what was blocked before.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = 0
        self._shielded: tuple[int, ...] = ()

    def take(self) -> None:
        with self._lock:
            if self._threads == 0:
                self._shielded = getattr(resource_tracker, "_IGNORED_SIGNALS", ())
                self._set(tuple(each for each in self._shielded if each != signal.SIGINT))
            self._threads += 1

    def give_back(self) -> None:
        with self._lock:
            self._threads -= 1
            if self._threads == 0:
                self._set(self._shielded)

    def _set(self, shielded: tuple[int, ...]) -> None:
        # A Python without it shields in another way.
        if hasattr(resource_tracker, "_IGNORED_SIGNALS"):
            resource_tracker._IGNORED_SIGNALS = shielded  # noqa: SLF001


_tracker = _Tracker()


@contextmanager
def ctrl_c_is_ours() -> Iterator[None]:
    """What this thread starts meanwhile, processes and threads, does not get SIGINT.

    A terminal sends Ctrl-C to the worker and to all that its engine started, which must live until
    the requests have ended. A blocked signal is inherited, whoever starts a process and however,
    and what the child sets up itself is not called either. The worker's own thread takes it.
    """
    if _keeping.depth == 0:
        _tracker.take()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        _keeping.was_blocked = signal.SIGINT in before
    _keeping.depth += 1
    try:
        yield
    finally:
        _keeping.depth -= 1
        if _keeping.depth == 0:
            _tracker.give_back()
            if not _keeping.was_blocked:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def kept_handlers(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Around a run: afterwards Python's handlers are those from before.

    With several at once, after the last of them. On another than the main thread nothing happens:
    only that one can set handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if _View.runs == 0:
        _View.before = _View(loop)
    _View.runs += 1
    try:
        yield
    finally:
        _View.runs -= 1
        if _View.runs == 0 and _View.before is not None:
            _View.before.put_back()
            _View.before = None
