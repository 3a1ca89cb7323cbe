"""Several workers in one process: `run` and `serve`."""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Literal, get_args

from ._core import prepare
from ._log.logging import choose_log
from ._serving.own_loop import run_on_own_loop
from .exceptions import InvalidArgument

if TYPE_CHECKING:
    from ._serving.own_loop import LoopFactory
    from .report import Report
    from .worker import Worker

__all__ = ["WhenOneEnds", "run", "serve"]

WhenOneEnds = Literal["all", "one"]
"""What ends when one worker does: ``all`` of them, or that ``one`` alone."""


def run(
    *workers: Worker,
    when_one_ends: WhenOneEnds = "all",
    loop_factory: LoopFactory | None = None,
) -> tuple[Report, ...]:
    """Runs workers side by side, on one event loop; blocks the calling thread.

    Each has a place in discovery of its own, also under the same name. SIGTERM and Ctrl-C are for
    all of them, and each keeps its deadline.

    Args:
        workers: One or more. With a frontend (``http_port``) on one of them and no discovery
            chosen, they find each other in this process alone.
        when_one_ends: ``all``: when one ends, by itself or by an error, the others shut down too;
            ``one``: the others go on.
        loop_factory: As for `Worker.run`.

    Returns:
        The workers' reports, in their order.

    Raises:
        InvalidArgument: There is no worker, one is given twice, or ``when_one_ends`` is neither of
            the two.
        DynamoError: A worker failed: the first that did, with a note for each other; the others
            have ended as well.
    """
    _check(workers, when_one_ends)
    cores = [worker._core for worker in workers]  # noqa: SLF001
    serving = _serve_all(workers, when_one_ends)
    return run_on_own_loop(cores, serving, loop_factory=loop_factory)


async def serve(*workers: Worker, when_one_ends: WhenOneEnds = "all") -> tuple[Report, ...]:
    """Runs workers side by side inside the event loop that runs; otherwise like `run`.

    Cancelling it asks all for shutdown, waits for that, and then raises ``CancelledError``.
    """
    _check(workers, when_one_ends)
    choose_log(embedded=True)
    try:
        return await _serve_all(workers, when_one_ends)
    finally:
        for worker in workers:
            worker._core.release()  # noqa: SLF001


def _check(workers: tuple[Worker, ...], when_one_ends: str) -> None:
    if not workers:
        raise InvalidArgument("workers: there is none; give one or more")
    if len(set(workers)) < len(workers):
        raise InvalidArgument("workers: one is given twice; a Worker is used once, make another")
    if when_one_ends not in get_args(WhenOneEnds):
        raise InvalidArgument(
            f"when_one_ends: {when_one_ends!r} is not known; accepted: 'all', 'one'"
        )


async def _serve_all(workers: tuple[Worker, ...], when_one_ends: str) -> tuple[Report, ...]:
    folder = _discovery_folder() if len(workers) > 1 else None
    prepare([worker._core for worker in workers], folder)  # noqa: SLF001
    failures: list[BaseException] = []
    running = len(workers)

    async def one(worker: Worker) -> Report:
        nonlocal running
        try:
            return await worker._serve()  # noqa: SLF001
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            running -= 1
            if when_one_ends == "all":
                for each in workers:
                    each.shutdown()
            if running > 0:
                # Its deadline has nothing more to keep, and would end the others with it.
                worker._core.release()  # noqa: SLF001

    serving = asyncio.gather(*map(one, workers), return_exceptions=True)
    ended = await serving
    if failures:
        first, *others = failures
        for other in others:
            first.add_note(f"another worker failed too: {other}")
        raise first
    return tuple(report for report in ended if not isinstance(report, BaseException))


@functools.cache
def _discovery_folder() -> str:
    """Where the workers of this process meet its frontend; gone when the process ends."""
    folder = tempfile.mkdtemp(prefix="dynamo-discovery-")
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: str, owner: int) -> None:
    # The hooks run at the end of a forked child too.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
