"""What still runs of requests when the engine is to be cleaned up."""

from __future__ import annotations

import asyncio
from asyncio.tasks import _unregister_task
from typing import TYPE_CHECKING

from .stream import logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .pump import Pump

_SHOWN = 10


async def end_requests(engine: str, pumps: Iterable[Pump], share: float) -> None:
    """Ends them before what they stand on goes.

    Threads have three quarters of ``share``, the seconds that a shutdown keeps for cleanup; the
    rest is the engine's own.
    """
    running = [pump for pump in pumps if not pump.task.done()]
    if not running:
        return
    moment = min(1.0, share / 4)
    until = asyncio.get_running_loop().time() + share * 3 / 4
    for pump in running:
        pump.end()
    for pump in await _left([pump for pump in running if not pump.in_thread], moment):
        # What it awaits in its `finally` is interrupted now: its loop may end with the run.
        pump.task.cancel()
    stuck = await _left([pump for pump in running if not pump.in_thread], moment)
    if stuck:
        logger.error(
            "%s: %d generators did not end when cancelled: requests %s",
            engine,
            len(stuck),
            _ids(stuck),
        )
    for pump in stuck:
        # The end of the loop would wait for it.
        _unregister_task(pump.task)
    in_threads = [pump for pump in running if pump.in_thread]
    kept = await _left(in_threads, until - asyncio.get_running_loop().time())
    if kept:
        logger.error(
            "%s: %d threads did not let go of generate, and cleanup begins all the same:"
            " requests %s",
            engine,
            len(kept),
            _ids(kept),
        )
    for pump in kept:
        pump.abandon()


async def _left(pumps: list[Pump], seconds: float) -> list[Pump]:
    """Those of them that still run after this time."""
    tasks = [pump.task for pump in pumps if not pump.task.done()]
    if tasks:
        await asyncio.wait(tasks, timeout=max(seconds, 0.0))
    return [pump for pump in pumps if not pump.task.done()]


def _ids(pumps: list[Pump]) -> str:
    shown = ", ".join(pump.id for pump in pumps[:_SHOWN])
    more = len(pumps) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
