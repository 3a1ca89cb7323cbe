"""The start of an engine, which a shutdown gives up."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator


@contextmanager
def given_up_by(shutdown: asyncio.Event | None, closing: threading.Event) -> Iterator[None]:
    """Sets ``closing`` as soon as ``shutdown`` is, for the time of a block on the event loop."""

    async def wait(asked: asyncio.Event) -> None:
        await asked.wait()
        closing.set()

    waiting = None if shutdown is None else asyncio.ensure_future(wait(shutdown))
    try:
        yield
    finally:
        if waiting is not None:
            waiting.cancel()
