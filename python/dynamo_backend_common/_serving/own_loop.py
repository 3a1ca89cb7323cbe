"""Running workers on an event loop of their own, for which the calling thread waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .._core import flush_log
from .._log.logging import choose_log, close_console

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from .._core import WorkerCore

_T = TypeVar("_T")

# What these hold of the process ends with it.
_until_exit: list[WorkerCore] = []

LoopFactory: TypeAlias = "Callable[[], asyncio.AbstractEventLoop]"
"""Makes an event loop, such as ``uvloop.new_event_loop``."""


def run_on_own_loop(
    cores: Sequence[WorkerCore],
    serving: Coroutine[Any, Any, _T],
    *,
    loop_factory: LoopFactory | None = None,
    to_exit: bool = False,
) -> _T:
    """Runs ``serving`` to its end and closes the loop, within the deadline of a shutdown.

    With ``to_exit`` the process ends next: its exit hooks and threads are within the deadline too.
    """
    if _inside_a_loop():
        serving.close()
        raise RuntimeError("run: an event loop runs in this thread already; await serve() there")
    has_console = choose_log(embedded=False)
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            # Not `runner.run`: it ends by setting a handler for SIGINT, which is the core's still.
            loop = runner.get_loop()
            return loop.run_until_complete(loop.create_task(serving))
    finally:
        flush_log()
        if to_exit:
            _until_exit.extend(cores)
        else:
            for core in cores:
                core.release()
            if has_console:
                close_console()


def _inside_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
