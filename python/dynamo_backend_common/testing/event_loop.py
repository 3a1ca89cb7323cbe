"""What an event loop has of the compiled core while engines are tested on it."""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from typing import TYPE_CHECKING

from .._core import TestLoop, prepare
from .._serving.inbox_reader import InboxReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._core import TestContext

_loops: dict[asyncio.AbstractEventLoop, TestLoop] = {}
_numbers = itertools.count(1)


def loop_for_tests() -> TestLoop:
    """That of the event loop that runs; it ends with it."""
    loop = asyncio.get_running_loop()
    if loop not in _loops:
        prepare([], None)
        tested, inbox = TestLoop.open(loop)
        _loops[loop] = tested
        # It holds the loop, which would never be freed.
        InboxReader(loop, inbox, partial(_let_go, loop))
    return _loops[loop]


def _let_go(loop: asyncio.AbstractEventLoop) -> None:
    _loops.pop(loop, None)


def context(id: str | None = None, *, metadata: Mapping[str, str] | None = None) -> TestContext:  # noqa: A002
    """The context of a request: a worker's own `RequestContext`, which a test may end.

    ``stop()`` and ``kill()`` are what a client does that leaves. Call it where an event loop runs.
    It goes into `collect`, or by hand into the ``generate`` of an engine that yields its chunks;
    one with a step loop needs `collect`, which reads what `Steps` is given.

    Args:
        id: The request's id; None: ``test-1``, ``test-2`` and so on.
        metadata: Strings that the caller sent along.
    """
    return loop_for_tests().context(id or f"test-{next(_numbers)}", dict(metadata or {}))
