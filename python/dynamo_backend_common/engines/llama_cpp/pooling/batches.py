"""The thread that computes vectors, of texts of all requests that wait."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..loop import Loop, ended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....exceptions import EngineShutdown
    from ..binding.pooled_model import PooledModel
    from ..steps.counts import Counts


@dataclass(frozen=True, kw_only=True, slots=True)
class TextsLoad:
    """What the thread is busy with.

    Attributes:
        running: Requests of which texts have been in a batch.
        waiting: Requests that wait for their first one.
    """

    running: int
    waiting: int


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


class Batches(Loop):
    """Fills each batch with one text of each request in turn, until it is full.

    So a request with one text does not wait for all texts of another one.
    """

    def __init__(self, model: PooledModel, counts: Counts) -> None:
        """Prepares the thread; `start` starts it.

        Args:
            model: What computes; belongs to the thread from then on.
            counts: Where it counts what it computes.
        """
        super().__init__("llama-cpp-batches")
        self._model = model
        self._counts = counts
        self._requests: deque[Texts] = deque()
        self._changed = threading.Condition()
        self._is_ending = False

    @property
    def load(self) -> TextsLoad:
        """What there is to do now; may be asked from any thread."""
        with self._changed:
            running = sum(request.taken > 0 for request in self._requests)
            return TextsLoad(running=running, waiting=len(self._requests) - running)

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
        """Ends the thread, in the middle of a batch too, and every request; waits."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._model.interrupt()
        self._thread.join()

    def _serve(self) -> None:
        while self._wait():
            self._compute(self._next_batch())

    def _tell(self, error: EngineShutdown) -> None:
        with self._changed:
            self._is_ending = True
            left, self._requests = self._requests, deque()
        for request in left:
            if request.outcome.set_running_or_notify_cancel():
                request.outcome.set_exception(error)

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
        begun = monotonic()
        vectors = self._model.vectors([text for _, text in batch])
        self._counts.prompt_seconds += monotonic() - begun
        self._counts.prompt_tokens += sum(len(text) for _, text in batch)
        self._counts.n_decode += 1
        for (request, _), vector in zip(batch, vectors, strict=True):
            request.vectors.append(vector)
            if len(request.vectors) == len(request.texts):
                with self._changed:
                    self._requests.remove(request)
                if request.outcome.set_running_or_notify_cancel():
                    request.outcome.set_result(request.vectors)


def _has_more(request: Texts) -> bool:
    return request.taken < len(request.texts)
