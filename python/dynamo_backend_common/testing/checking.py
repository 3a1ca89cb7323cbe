"""The checks of the contract, one after the other, on one engine."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from .._serving.taking import is_rust_engine
from .check import Check, EngineCheckFailed, NotApplicable, Problem, Result
from .checks import AFTER, BEFORE, SERVING, START
from .in_rust import RUST_CHECKS, check_in_rust
from .life import Life
from .loop_watch import LoopWatch
from .requests import request as made_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

_LOOP = "event_loop_is_free"
_LOOP_RULE = "what runs on the event loop, once the engine has started, never blocks it"
_LOOP_MEND = (
    "await there, or call what computes or blocks by asyncio.to_thread; a generate written as a"
    " plain def is called in a thread"
)

CHECKS: tuple[str, ...] = (
    *(check.name for check in (*BEFORE, START, *SERVING, *AFTER)),
    _LOOP,
)
"""Names of all checks of an engine in Python, in their order; of one in Rust: `RUST_CHECKS`."""

REQUESTS = 1000
"""How many requests the search for leaks makes, by default."""

TIMEOUT = 10.0
"""Seconds for whatever is waited for, where nothing else is said."""


def check_engine(
    engine: Any,
    *,
    request: Mapping[str, Any] | None = None,
    requests: int = REQUESTS,
    timeout: float = TIMEOUT,
) -> list[Result]:
    """Holds an engine to the contract between a worker and its engine, without a worker.

    It is started, asked, stopped at every point, asked for what no engine can do, and cleaned up,
    on an event loop of its own, by the code by which a worker does all that. An engine in Rust is
    checked by the kit of the Rust library, without an event loop.

    Args:
        engine: A class or function that makes the engine, without arguments; or an engine that has
            not been started, which the check of a failed start then leaves aside.
        request: What is an ordinary request to it, such as `request` makes; its answer should have
            several chunks. None: 64 tokens of prompt, and 32 to generate.
        requests: How many the search for leaks makes; fewer for an engine that takes long.
        timeout: Seconds that a request, a hook, or anything else waited for may take.

    Returns:
        What each check found: passed, or skipped, with the reason.

    Raises:
        InvalidArgument: It lacks a method that every engine has.
        EngineCheckFailed: An `AssertionError` with all checks that failed, and how to mend it.
        RuntimeError: An event loop runs in this thread.
    """
    is_engine = is_rust_engine(engine) or hasattr(engine, "generate")
    make = (lambda: engine) if is_engine and not isinstance(engine, type) else engine
    name, results = run_checks(make, request=request, requests=requests, timeout=timeout)
    if any(result.outcome == "failed" for result in results):
        raise EngineCheckFailed(name, results)
    return results


def run_checks(
    make: Callable[[], Any],
    *,
    request: Mapping[str, Any] | None = None,
    requests: int = REQUESTS,
    timeout: float = TIMEOUT,
    tell: Callable[[Result], object] | None = None,
) -> tuple[str, list[Result]]:
    """As `check_engine`, also of what failed: the engine's name, and what each check found.

    ``make`` is called again for another engine; ``tell`` is called with each result as it comes.
    """
    if request is None:
        request = made_request(range(1, 65), stop_conditions={"max_tokens": 32, "ignore_eos": True})

    results: list[Result] = []

    def add(result: Result) -> None:
        results.append(result)
        if tell is not None:
            tell(result)

    async def run() -> str:
        life = Life(engine, make, request, count=requests, timeout=timeout, threads=threads)
        async for result in _results(life):
            add(result)
        return life.name

    if _inside_a_loop():
        raise RuntimeError(
            "check_engine: an event loop runs in this thread; call it in a plain function, as it"
            " runs one of its own"
        )
    threads = frozenset(threading.enumerate())
    engine = make()
    if is_rust_engine(engine):
        name = check_in_rust(engine, make(), request, requests=requests, timeout=timeout, add=add)
        return name, results
    with asyncio.Runner() as runner:
        return runner.run(run()), results


def checks_of(engine: Any) -> tuple[str, ...]:
    """Names of the checks of this engine, in their order."""
    return RUST_CHECKS if is_rust_engine(engine) else CHECKS


def _inside_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _results(life: Life) -> AsyncIterator[Result]:
    for check in BEFORE:
        yield await _result(check, life)
    started = await _result(START, life)
    yield started
    with LoopWatch(life.places) as watch:
        for check in SERVING:
            if started.outcome == "passed":
                yield await _result(check, life)
            else:
                yield _skipped(check, "the engine did not start")
        for check in AFTER:
            yield await _result(check, life)
    yield _of_loop(watch)


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
