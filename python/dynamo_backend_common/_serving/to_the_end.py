"""Waiting for a run, which is never left before its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


async def to_the_end(
    run: asyncio.Future[_T],
    shutdown: Callable[[], None],
    cancelled: asyncio.CancelledError | None = None,
) -> _T:
    """Waits until ``run`` is done. Being cancelled, now or before, shuts down and is raised."""
    if cancelled is not None:
        shutdown()
    while not run.done():
        try:
            await asyncio.wait([run])
        except asyncio.CancelledError as error:
            cancelled = error
            shutdown()
    if cancelled is not None:
        raise cancelled from run.exception()
    return run.result()
