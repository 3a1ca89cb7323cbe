"""The thread that serves an engine's requests, and what is told when it has ended."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future

from ...exceptions import EngineShutdown
from .binding.model import Interrupted


class Loop(ABC):
    """A thread that serves requests until it is told to end, or fails.

    Attributes:
        failure: What it failed with; None: it runs, or was told to end.
    """

    def __init__(self, name: str) -> None:
        """Prepares the thread; `start` starts it."""
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ended: Future[None] = Future()

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    @abstractmethod
    def stop(self) -> None:
        """Ends the thread, in the middle of what it computes too, and every request; waits."""

    async def watch(self) -> None:
        """Waits for the end of the thread.

        Raises:
            BaseException: What it failed with.
        """
        # Cancelling this must not cancel what the thread is to resolve.
        await asyncio.shield(asyncio.wrap_future(self._ended))

    @abstractmethod
    def _serve(self) -> None:
        """Serves requests, until it is to end."""

    @abstractmethod
    def _tell(self, error: EngineShutdown) -> None:
        """Ends the requests that are left."""

    def _close(self) -> None:  # noqa: B027 (optional)
        """What is to be done once all have been told. By default nothing."""

    def _run(self) -> None:
        try:
            self._serve()
        except Interrupted:
            # By `stop`.
            pass
        except BaseException as error:
            self.failure = error
        # Who waits for the end is told of it first, whatever fails in the rest.
        try:
            self._tell(ended(self.failure))
        finally:
            if self.failure is None:
                self._ended.set_result(None)
            else:
                self._ended.set_exception(self.failure)
            self._close()


def ended(cause: BaseException | None) -> EngineShutdown:
    """The error of who wants something of a thread that has ended.

    Args:
        cause: What it failed with; None: it was told to end.
    """
    if cause is None:
        return EngineShutdown("the llama-cpp engine was shut down")
    error = EngineShutdown(
        f"the llama-cpp engine failed and must be restarted: {type(cause).__name__}: {cause}"
    )
    error.__cause__ = cause
    return error
