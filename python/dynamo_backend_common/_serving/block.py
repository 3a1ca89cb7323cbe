"""The block of ``async with Worker(...)``, which the run behind it can end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..exceptions import EngineShutdown
from .to_the_end import to_the_end

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from ..report import Report


class Block:
    """The run of ``serving`` as a task, and the task that is inside the block."""

    def __init__(self, serving: Coroutine[Any, Any, Report], shutdown: Callable[[], None]) -> None:
        task = asyncio.current_task()
        if task is None:
            serving.close()
            raise RuntimeError("async with Worker(...): there is no task to be in")
        self._task = task
        self._cancelling = 0
        self._shutdown = shutdown
        self._serves = asyncio.Event()
        self._run = asyncio.create_task(serving)
        self._is_inside = self._is_interrupted = False

    def serves(self) -> None:
        """The worker serves now."""
        self._serves.set()

    async def enter(self) -> None:
        """Returns when the worker serves; raises what the run raised before it did."""
        serves = asyncio.create_task(self._serves.wait())
        try:
            await asyncio.wait([self._run, serves], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError as cancelled:
            await to_the_end(self._run, self._shutdown, cancelled)
        finally:
            serves.cancel()
        if self._run.done():
            report = self._run.result()
            raise EngineShutdown(f"the worker was shut down before it served ({report.reason})")
        self._is_inside = True
        self._cancelling = self._task.cancelling()
        self._run.add_done_callback(self._interrupt)

    def _interrupt(self, _: object) -> None:
        """The run is over: what is in the block is cancelled, as by `asyncio.timeout`."""
        if self._is_inside:
            self._is_interrupted = True
            self._task.cancel()

    async def leave(self, raised: type[BaseException] | None) -> bool:
        """Ends the run. Answers whether ``raised`` was only to end the block.

        Raises:
            DynamoError: The run failed.
        """
        self._is_inside = False
        is_ours = False
        if self._is_interrupted:
            is_ours = self._task.uncancel() <= self._cancelling
        self._shutdown()
        await to_the_end(self._run, self._shutdown)
        return is_ours and raised is asyncio.CancelledError
