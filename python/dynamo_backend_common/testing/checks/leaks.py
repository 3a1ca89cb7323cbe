"""What is left of many requests, and of the engine."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
from collections import Counter
from typing import TYPE_CHECKING

from ..check import Check, NotApplicable, Problem
from ..places import OURS

if TYPE_CHECKING:
    from ..life import Life

_AT_ONCE = 8
# Beyond what one that is asked for the first time sets up, and keeps.
_FIRST = 32
_OURS = ("dynamo-request", "dynamo-metrics", "loop-watch")


def _tasks() -> Counter[str]:
    return Counter(
        getattr(task.get_coro(), "__qualname__", repr(task)) for task in asyncio.all_tasks()
    )


def _threads() -> Counter[str]:
    return Counter(re.sub(r"\d+", "N", thread.name) for thread in _all_threads())


def _all_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if not thread.name.startswith(_OURS)]


async def _no_leaks(life: Life) -> None:
    life.good_answer()
    short = life.request | {
        "stop_conditions": dict(life.request["stop_conditions"]) | {"max_tokens": 2}
    }

    # A worker gives an engine no more than it has asked for.
    at_once = min(_AT_ONCE, life.config.max_concurrent_requests or _AT_ONCE)

    async def some(count: int) -> None:
        for first in range(0, count, at_once):
            turn = range(first, min(first + at_once, count))
            # Every other one is stopped, as clients do.
            answers = await asyncio.gather(
                *(life.ask(short, stop_at=1 if at % 2 else None) for at in turn)
            )
            for answer in answers[::2]:
                if answer.error is not None:
                    raise Problem(
                        f"of {len(turn)} requests that came together, one that nobody stopped"
                        f" ended with {life.told(answer)}"
                    )

    first = min(_FIRST, life.count // 2)
    await some(first)
    tasks, threads = _tasks(), _threads()
    await some(life.count - first)

    def left() -> str:
        more = [f"{count} tasks of {name}" for name, count in (_tasks() - tasks).items()]
        more += [
            f"{count} threads {name}"
            for name, count in (_threads() - threads).items()
            # A pool that still grows to its size is none.
            if count > _AT_ONCE
        ]
        return ", ".join(more)

    if not await life.until(lambda: not left()):
        raise Problem(f"after {life.count} requests there are {left()} more than after {first}")
    if life.count - first <= _AT_ONCE:
        raise NotApplicable(
            f"{life.count} requests are too few to tell a thread for each from a pool that grows;"
            f" give it {2 * _AT_ONCE + 1} or more"
        )


async def _nothing_is_left(life: Life) -> None:
    before = life.threads_before

    def left() -> list[str]:
        return [
            thread.name
            for thread in _all_threads()
            if thread not in before and not thread.daemon and not _is_loops_own(thread)
        ]

    if not await life.until(lambda: not left()):
        raise Problem(f"after cleanup these threads still run: {', '.join(left())}")
    if not await life.until(lambda: not _engine_tasks()):
        raise Problem(f"after cleanup these tasks still run: {', '.join(_engine_tasks())}")


def _engine_tasks() -> list[str]:
    """Of the tasks that run, those that are not of whoever drives the engine."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    return [
        coroutine.__qualname__
        for coroutine in coroutines
        if inspect.iscoroutine(coroutine) and not coroutine.cr_code.co_filename.startswith(OURS)
    ]


def _is_loops_own(thread: threading.Thread) -> bool:
    """Of `asyncio.to_thread`, whose pool is ended with the loop."""
    return thread.name.startswith("asyncio_")


SERVING = (
    Check(
        "no_leaks",
        "requests that come at the same time are answered, and leave no task and no thread behind",
        "in a finally, await or cancel the tasks that a request starts, and end its threads; let a"
        " request wait where others are served, or have configure set max_concurrent_requests",
        _no_leaks,
    ),
)

AFTER = (
    Check(
        "nothing_is_left",
        "after cleanup no task of the engine goes on, and no thread keeps the process from ending",
        "end in cleanup what start began: cancel and await tasks; join threads, or make them"
        " daemons",
        _nothing_is_left,
    ),
)
