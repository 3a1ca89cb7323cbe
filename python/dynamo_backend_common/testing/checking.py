"""The checks of the contract, one after the other, on one engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .._core import RustEngine
from .check import Check, EngineCheckFailed, NotApplicable, Problem, Result
from .checks import AFTER, BEFORE, SERVING, START
from .life import Life
from .loop_watch import LoopWatch
from .requests import request as made_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ONE_ONLY = "give the class, or a function that makes the engine: this check wants another one"
_NOT_STARTED = "the engine did not start"

_LOOP = "event_loop_is_free"
_LOOP_RULE = "what runs on the event loop never blocks it, from its start on"
_LOOP_MEND = (
    "await there, or call what computes or blocks by asyncio.to_thread; a generate written as a"
    " plain def is called in a thread"
)

CHECKS: tuple[str, ...] = (
    *(check.name for check in (*BEFORE, START, *SERVING, *AFTER)),
    _LOOP,
)
"""Names of all checks, in their order."""


def check_engine(
    engine: Any,
    *,
    request: Mapping[str, Any] | None = None,
    requests: int = 1000,
    timeout: float = 10.0,
) -> list[Result]:
    """Holds an engine to the contract between a worker and its engine, without a worker.

    It is started, asked, stopped at every point, asked for what no engine can do, and cleaned up,
    on an event loop of its own, by the code by which a worker does all that.

    Args:
        engine: A class or function that makes the engine, without arguments; or an engine that has
            not been started, which the check of a failed start then leaves aside.
        request: What is an ordinary request to it, such as `request` makes; its answer should have
            several chunks. None: 64 tokens of prompt, and 32 to generate.
        requests: How many are made in search of leaks; fewer for an engine that takes long.
        timeout: Seconds for a request, a hook, and whatever else is waited for.

    Returns:
        What each check found: passed, or skipped, with the reason.

    Raises:
        EngineCheckFailed: An `AssertionError` with all checks that failed, and how to mend it.
        RuntimeError: An event loop runs in this thread.
    """
    name, results = run_checks(engine, request=request, requests=requests, timeout=timeout)
    if any(result.outcome == "failed" for result in results):
        raise EngineCheckFailed(name, results)
    return results


def run_checks(
    engine: Any,
    *,
    request: Mapping[str, Any] | None = None,
    requests: int = 1000,
    timeout: float = 10.0,
) -> tuple[str, list[Result]]:
    """As `check_engine`, but for what failed: the engine's name, and what each check found."""
    if request is None:
        request = made_request(range(1, 65), stop_conditions={"max_tokens": 32, "ignore_eos": True})
    made_once = isinstance(engine, RustEngine) or not callable(engine)
    make = (lambda: engine) if made_once else engine
    with asyncio.Runner() as runner:
        return runner.run(_run(make, request, requests, timeout, can_make_another=not made_once))


async def _run(
    make: Callable[[], Any],
    request: Mapping[str, Any],
    requests: int,
    timeout: float,  # noqa: ASYNC109 (of each thing that is waited for)
    *,
    can_make_another: bool,
) -> tuple[str, list[Result]]:
    life = Life(make, request, count=requests, timeout=timeout)
    results = [
        await _result(check, life) if can_make_another else _skipped(check, _ONE_ONLY)
        for check in BEFORE
    ]
    results.append(await _result(START, life))
    started = results[-1].outcome == "passed"
    with LoopWatch() as watch:
        results += [
            await _result(check, life) if started else _skipped(check, _NOT_STARTED)
            for check in SERVING
        ]
        results += [await _result(check, life) for check in AFTER]
    results.append(_of_loop(watch))
    return life.name, results


async def _result(check: Check, life: Life) -> Result:
    try:
        await check.run(life)
    except NotApplicable as reason:
        return _skipped(check, str(reason))
    except Problem as problem:
        return Result(check.name, "failed", check.rule, str(problem), check.mend)
    return Result(check.name, "passed", check.rule)


def _skipped(check: Check, reason: str) -> Result:
    return Result(check.name, "skipped", check.rule, reason)


def _of_loop(watch: LoopWatch) -> Result:
    if not watch.blocked:
        return Result(_LOOP, "passed", _LOOP_RULE)
    found = "; ".join(place for place, _ in watch.blocked.most_common(3))
    return Result(_LOOP, "failed", _LOOP_RULE, f"blocked at {found}", _LOOP_MEND)
