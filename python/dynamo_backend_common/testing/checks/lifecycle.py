"""Start and cleanup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...exceptions import DynamoError
from ..check import Check, Problem

if TYPE_CHECKING:
    from ..life import Life


async def _half_started(life: Life) -> None:
    try:
        await life.clean_up(life.make())
    except Problem:
        raise
    except Exception as raised:
        raise Problem(
            f"cleanup of an engine whose start got nowhere raised {type(raised).__name__}: {raised}"
        ) from raised


async def _start(life: Life) -> None:
    try:
        await life.start()
    except Problem:
        raise
    except Exception as raised:
        cause = raised.__cause__ if isinstance(raised, DynamoError) else None
        shown = raised if cause is None else cause
        raise Problem(f"{type(shown).__name__}: {shown}") from raised


async def _drain(life: Life) -> None:
    try:
        await life.within(life.driven.core.drain(), "drain")
        quiescent = await life.within(life.driven.core.is_quiescent(), "is_quiescent")
    except DynamoError as error:
        raise Problem(f"drain or is_quiescent failed: {error}") from error
    if quiescent is False:
        raise Problem("is_quiescent says False where every request has ended")


async def _cleanup(life: Life) -> None:
    try:
        await life.within(life.driven.core.cleanup(), "cleanup")
    except DynamoError as error:
        raise Problem(f"cleanup failed: {error}") from error


async def _twice(life: Life) -> None:
    try:
        await life.clean_up(life.engine)
    except Problem:
        raise
    except Exception as raised:
        raise Problem(f"the second one raised {type(raised).__name__}: {raised}") from raised


BEFORE = (
    Check(
        "cleanup_after_failed_start",
        "cleanup bears an engine whose start failed, wherever that was",
        "give every attribute that cleanup reads a value in __init__, and have cleanup release"
        " only what is there",
        _half_started,
    ),
)

START = Check(
    "start",
    "start returns an EngineConfig, and the hooks that come before serving succeed",
    "return EngineConfig(model=...) and see to what was raised",
    _start,
)

AFTER = (
    Check(
        "drain",
        "drain returns, and is_quiescent is True or None when every request has ended",
        "wait in drain for what the engine itself still does, and for nothing else",
        _drain,
    ),
    Check(
        "cleanup",
        "cleanup returns and raises nothing",
        "see to what was raised; a worker logs it and goes on",
        _cleanup,
    ),
    Check(
        "cleanup_twice",
        "a second cleanup does nothing",
        "forget in cleanup what was released, such as self.model = None, and look before releasing",
        _twice,
    ),
)
