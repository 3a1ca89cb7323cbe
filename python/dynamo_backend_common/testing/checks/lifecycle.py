"""Start and cleanup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...exceptions import DynamoError
from ..check import Check, NotApplicable, Problem

if TYPE_CHECKING:
    from ..life import Life


async def _half_started(life: Life) -> None:
    another = life.make()
    if another is life.engine:
        raise NotApplicable(
            "this check needs another engine: pass the class, or a function that makes one"
        )
    await _quietly(life, another, "cleanup of an engine that was not started")


async def _start(life: Life) -> None:
    try:
        await life.start()
    except Problem:
        raise
    except Exception as raised:
        cause = raised.__cause__ if isinstance(raised, DynamoError) else None
        raise Problem(life.places.of_error(cause or raised)) from raised


async def _watch(life: Life) -> None:
    watching = life.watching
    if watching is None:
        return
    if watching.done() and not watching.cancelled() and (raised := watching.exception()):
        raise Problem(f"it raised while the engine served: {life.places.of_error(raised)}")
    watching.cancel()


async def _drain(life: Life) -> None:
    try:
        await life.within(life.driven.core.drain(), "drain")
        quiescent = await life.within(life.driven.core.is_quiescent(), "is_quiescent")
    except DynamoError as error:
        raise Problem(f"drain or is_quiescent failed: {error}") from error
    if quiescent is False:
        raise Problem("is_quiescent says False although every request has ended")


async def _cleanup(life: Life) -> None:
    try:
        await life.within(life.driven.core.cleanup(), "cleanup")
    except DynamoError as error:
        raise Problem(f"cleanup failed: {error}") from error


async def _twice(life: Life) -> None:
    await _quietly(life, life.engine, "the second one")


async def _quietly(life: Life, engine: Any, what: str) -> None:
    try:
        await life.clean_up(engine)
    except Problem:
        raise
    except Exception as raised:
        raise Problem(f"{what} raised {life.places.of_error(raised)}") from raised


BEFORE = (
    Check(
        "cleanup_after_failed_start",
        "cleanup succeeds even if start failed, at whatever point",
        "give every attribute that cleanup reads a value in __init__, and have cleanup release"
        " only what is there",
        _half_started,
    ),
)

START = Check(
    "start",
    "start returns an EngineConfig, and the hooks that come before serving succeed",
    "return EngineConfig(model=...) and fix what was raised",
    _start,
)

SERVING = (
    Check(
        "watch",
        "watch returns, or goes on, as long as the engine can serve",
        "raise in it only if the engine cannot go on: the worker then leaves discovery and ends",
        _watch,
    ),
    Check(
        "drain",
        "drain returns, and is_quiescent is True or None when every request has ended",
        "in drain, wait only for what the engine itself still does",
        _drain,
    ),
)

AFTER = (
    Check(
        "cleanup",
        "cleanup returns and raises nothing",
        "fix what was raised; a worker only logs it and goes on",
        _cleanup,
    ),
    Check(
        "cleanup_twice",
        "a second cleanup does nothing",
        "in cleanup, clear what was released, as in self.model = None, and check before releasing",
        _twice,
    ),
)
