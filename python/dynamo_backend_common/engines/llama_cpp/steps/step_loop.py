"""The thread that makes one step after the other and pushes the output of each in one call."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING

from ..binding.model import Interrupted
from ..ended import ended
from .between import Work, do_ready

if TYPE_CHECKING:
    from ...._core import Steps, StepStream
    from ....messages import Step
    from ..cache.kv_reports import KvReports
    from .load import Load
    from .scheduler import Scheduler
    from .sequence import Sequence


class StepLoop:
    """Runs a `Scheduler` in a thread of its own: steps while there is work, sleeps while not."""

    def __init__(self, scheduler: Scheduler, steps: Steps, reports: KvReports) -> None:
        """Prepares the thread; `start` starts it.

        Args:
            scheduler: What makes the steps; belongs to the thread from then on.
            steps: Takes the output; what it reports back decides who is freed or paused.
            reports: Takes the state of the KV cache after each step.
        """
        self._scheduler = scheduler
        self._steps = steps
        self._reports = reports
        # None asks the thread to end.
        self._inbox: SimpleQueue[tuple[Sequence, StepStream] | Work | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="llama-cpp-steps", daemon=True)
        self._ended: Future[None] = Future()
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
        self._thread.start()

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
                raise ended(None)
            self._inbox.put(work)
        self._steps.wake()
        await asyncio.wrap_future(work.done)

    def stop(self) -> None:
        """Ends the thread, in the middle of a step too, and every request; waits for it."""
        self._inbox.put(None)
        self._scheduler.interrupt()
        self._steps.wake()
        self._thread.join()

    async def watch(self) -> None:
        """Waits for the end of the thread.

        Raises:
            BaseException: What the loop failed with.
        """
        # Cancelling this must not cancel what the thread is to resolve.
        await asyncio.shield(asyncio.wrap_future(self._ended))

    def _run(self) -> None:
        output: list[Step] = []
        failure: BaseException | None = None
        try:
            while self._receive():
                self._works = do_ready(self._works, self._scheduler)
                before, output = output, []
                # One push a step, after who has come in: who is stopped by now is never started.
                is_free = not before and (self._scheduler.idle or self._scheduler.paused)
                report = self._steps.wait() if is_free else self._steps.push(before)
                step = self._scheduler.step(cancelled=report.cancelled, stalled=report.stalled)
                # One by one: who ended in a step that then failed has ended.
                for made in step:
                    output.append(made)
                self._reports.snapshot(self._scheduler.kv_use)
        except Interrupted:
            # By `stop`.
            pass
        except BaseException as error:
            failure = error
        # Who waits for the end is told of it first, whatever fails in the rest.
        try:
            self._steps.push(output)
            self._steps.fail(ended(failure))
        finally:
            if failure is None:
                self._ended.set_result(None)
            else:
                self._ended.set_exception(failure)
            self._give_up_works(ended(failure))
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

    def _give_up_works(self, error: BaseException) -> None:
        with self._closing:
            self._closed = True
            while not self._inbox.empty():
                submitted = self._inbox.get()
                if isinstance(submitted, Work):
                    self._works.append(submitted)
        for work in self._works:
            work.give_up(error)
