"""The thread that makes one step after the other and hands the output to the event loop."""

from __future__ import annotations

import logging
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence as List

    from .scheduler import Delivery, Load, Scheduler
    from .sequence import Sequence

logger = logging.getLogger(__name__)


class StepLoop:
    """Runs a `Scheduler` in a thread of its own: steps while there is work, sleeps while not."""

    def __init__(
        self,
        scheduler: Scheduler,
        deliver: Callable[[List[Delivery]], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Prepares the thread; `start` starts it.

        Args:
            scheduler: What makes the steps; belongs to the thread from then on.
            deliver: Called in the thread once per step, with all output of the step.
            failed: Called in the thread, which then ends, when a step failed.
        """
        self._scheduler = scheduler
        self._deliver = deliver
        self._failed = failed
        # None asks the thread to end.
        self._inbox: SimpleQueue[Sequence | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="llama-cpp-steps", daemon=True)

    @property
    def load(self) -> Load:
        """What there is to do now."""
        return self._scheduler.load

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def submit(self, sequence: Sequence) -> None:
        """Hands over a request; never blocks."""
        self._inbox.put(sequence)

    def stop(self) -> None:
        """Ends the thread after the step that it is in, and waits for that."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._receive():
                # Also without output: the event loop looks for stopped requests then.
                self._deliver(self._scheduler.step())
        except BaseException as error:
            logger.exception("the step loop of the llama-cpp engine failed")
            self._failed(error)
        finally:
            self._scheduler.close()

    def _receive(self) -> bool:
        """Takes what has come in, waiting for it if there is nothing else; False: end."""
        try:
            sequence = self._inbox.get(block=self._scheduler.idle)
            while sequence is not None:
                self._scheduler.add(sequence)
                sequence = self._inbox.get_nowait()
        except Empty:
            return True
        return False
