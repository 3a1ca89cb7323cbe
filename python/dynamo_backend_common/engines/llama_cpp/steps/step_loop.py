"""The thread that makes one step after the other and pushes the output of each in one call."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from ..loop import Loop, ended
from .between import Work, do_ready

if TYPE_CHECKING:
    from ...._core import Steps, StepStream
    from ....exceptions import EngineShutdown
    from ....messages import Step
    from ..cache.kv_reports import KvReports
    from .load import Load
    from .scheduler import Scheduler
    from .sequence import Sequence


class StepLoop(Loop):
    """Runs a `Scheduler` in a thread of its own: steps while there is work, sleeps while not."""

    def __init__(self, scheduler: Scheduler, steps: Steps, reports: KvReports) -> None:
        """Prepares the thread; `start` starts it.

        Args:
            scheduler: What makes the steps; belongs to the thread from then on.
            steps: Takes the output; what it reports back decides who is freed or paused.
            reports: Takes the state of the KV cache after each step.
        """
        super().__init__("llama-cpp-steps")
        self._scheduler = scheduler
        self._steps = steps
        self._reports = reports
        # None asks the thread to end.
        self._inbox: SimpleQueue[tuple[Sequence, StepStream] | Work | None] = SimpleQueue()
        # What the next push is to take.
        self._output: list[Step] = []
        self._works: list[Work] = []
        # From then on nobody looks into the inbox.
        self._closed = False
        self._closing = threading.Lock()

    @property
    def load(self) -> Load:
        """What there is to do now."""
        return self._scheduler.load

    def start(self) -> None:
        """Starts the thread."""
        self._reports.snapshot(self._scheduler.kv_use)
        super().start()

    def submit(self, sequence: Sequence, stream: StepStream) -> None:
        """Hands over a request; never blocks."""
        self._inbox.put((sequence, stream))

    async def between_steps(self, work: Work) -> None:
        """Has something done in the thread, behind what was submitted before.

        Raises:
            EngineShutdown: The loop ended before that.
            Exception: What it raised.
        """
        with self._closing:
            if self._closed:
                raise ended(self.failure)
            self._inbox.put(work)
        self._steps.wake()
        await asyncio.wrap_future(work.done)

    def stop(self) -> None:
        """Ends the thread, in the middle of a step too, and every request; waits."""
        self._inbox.put(None)
        self._scheduler.interrupt()
        self._steps.wake()
        self._thread.join()

    def _serve(self) -> None:
        while self._receive():
            self._works = do_ready(self._works, self._scheduler)
            output, self._output = self._output, []
            # One push a step, after who has come in: who is stopped by now is never started.
            is_free = not output and (self._scheduler.idle or self._scheduler.paused)
            report = self._steps.wait() if is_free else self._steps.push(output)
            step = self._scheduler.step(cancelled=report.cancelled, stalled=report.stalled)
            # One by one: who ended in a step that then failed has ended.
            for made in step:
                self._output.append(made)
            self._reports.snapshot(self._scheduler.kv_use)

    def _tell(self, error: EngineShutdown) -> None:
        self._steps.push(self._output)
        self._steps.fail(error)

    def _close(self) -> None:
        self._give_up_works()
        self._scheduler.close()
        self._reports.snapshot(self._scheduler.kv_use)

    def _receive(self) -> bool:
        """Takes what has come in.

        Returns:
            False when the thread is to end.
        """
        while not self._inbox.empty():
            submitted = self._inbox.get()
            if submitted is None:
                return False
            if isinstance(submitted, Work):
                self._works.append(submitted)
                continue
            sequence, stream = submitted
            # A report may have told of its end already.
            if stream.is_open:
                self._scheduler.add(sequence)
        return True

    def _give_up_works(self) -> None:
        with self._closing:
            self._closed = True
            while not self._inbox.empty():
                submitted = self._inbox.get()
                if isinstance(submitted, Work):
                    self._works.append(submitted)
        for work in self._works:
            work.give_up(ended(self.failure))
