"""The thread that computes vectors, of texts of all requests that wait."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from ..binding.model import Interrupted
from ..ended import ended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....exceptions import EngineShutdown
    from ..binding.pooled_model import PooledModel


class Texts:
    """The texts of one request on their way.

    Attributes:
        texts: Tokens of each.
        taken: How many of them have been in a batch.
        vectors: Those that there are.
        outcome: All vectors, once they are there; a request whose outcome is cancelled is dropped.
    """

    def __init__(self, texts: Sequence[Sequence[int]]) -> None:
        self.texts = texts
        self.vectors: list[Any] = []
        self.taken = 0
        self.outcome: Future[list[Any]] = Future()


class Batches:
    """Fills each batch with one text of each request in turn, until it is full.

    So a request with one text does not wait for all texts of another one.

    Attributes:
        failure: What the thread failed with; None: it runs, or was told to end.
    """

    def __init__(self, model: PooledModel) -> None:
        """Prepares the thread; `start` starts it.

        Args:
            model: What computes; belongs to the thread from then on.
        """
        self._model = model
        self._requests: deque[Texts] = deque()
        self._changed = threading.Condition()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="llama-cpp-batches", daemon=True)
        self._ended: Future[None] = Future()
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def submit(self, texts: Sequence[Sequence[int]]) -> Texts:
        """Hands over the texts of a request, each of one token at least.

        Raises:
            EngineShutdown: The thread has ended, or is about to.
        """
        request = Texts(texts)
        with self._changed:
            if self._is_ending:
                raise ended(self.failure)
            self._requests.append(request)
            self._changed.notify()
        return request

    def stop(self) -> None:
        """Ends the thread, in the middle of a batch too, and every request; waits for it."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._model.interrupt()
        self._thread.join()

    async def watch(self) -> None:
        """Waits for the end of the thread.

        Raises:
            BaseException: What it failed with.
        """
        # Cancelling this must not cancel what the thread is to resolve.
        await asyncio.shield(asyncio.wrap_future(self._ended))

    def _run(self) -> None:
        try:
            while self._wait():
                self._compute(self._next_batch())
        except Interrupted:
            # By `stop`.
            pass
        except BaseException as error:
            self.failure = error
        with self._changed:
            self._is_ending = True
            left, self._requests = self._requests, deque()
        for request in left:
            self._end(request, ended(self.failure))
        if self.failure is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(self.failure)

    def _wait(self) -> bool:
        """Waits for a text; False when the thread is to end."""
        with self._changed:
            while not self._is_ending:
                for request in [each for each in self._requests if each.outcome.cancelled()]:
                    self._requests.remove(request)
                if self._requests:
                    return True
                self._changed.wait()
        return False

    def _next_batch(self) -> list[tuple[Texts, Sequence[int]]]:
        batch: list[tuple[Texts, Sequence[int]]] = []
        room = self._model.max_num_batched_tokens
        with self._changed:
            while len(batch) < self._model.max_num_seqs:
                request = next((each for each in self._requests if _has_more(each)), None)
                if request is None or len(request.texts[request.taken]) > room:
                    break
                text = request.texts[request.taken]
                request.taken += 1
                room -= len(text)
                batch.append((request, text))
                self._requests.remove(request)
                self._requests.append(request)
        return batch

    def _compute(self, batch: list[tuple[Texts, Sequence[int]]]) -> None:
        vectors = self._model.vectors([text for _, text in batch])
        for (request, _), vector in zip(batch, vectors, strict=True):
            request.vectors.append(vector)
            if len(request.vectors) == len(request.texts):
                with self._changed:
                    self._requests.remove(request)
                if request.outcome.set_running_or_notify_cancel():
                    request.outcome.set_result(request.vectors)

    @staticmethod
    def _end(request: Texts, error: EngineShutdown) -> None:
        if request.outcome.set_running_or_notify_cancel():
            request.outcome.set_exception(error)


def _has_more(request: Texts) -> bool:
    return request.taken < len(request.texts)
