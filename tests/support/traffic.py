"""Clients that stream without a pause, and keep count of what went wrong."""

from __future__ import annotations

from collections import Counter
from http.client import HTTPException
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from .api import DONE, finish_reasons, text_of

if TYPE_CHECKING:
    from types import TracebackType

    from .api import Api, Stream


class Traffic:
    """Clients of one frontend; a context manager that ends them.

    Attributes:
        served: How many streams were whole.
        wrong: What the others were, with how often each came.
    """

    def __init__(
        self,
        api: Api,
        model: str,
        prompt: str,
        clients: int,
        *,
        said: str | None = None,
        ends: str = "stop",
        **options: Any,
    ) -> None:
        """All answers are ``said`` (None: the prompt), and have one finish reason."""
        self.served = 0
        self.wrong: Counter[str] = Counter()
        self._api = api
        self._model = model
        self._prompt = prompt
        self._said = said or prompt
        self._ends = ends
        self._options = options
        self._ending = Event()
        self._counts = Lock()
        self._clients = [Thread(target=self._stream) for _ in range(clients)]

    def __enter__(self) -> Traffic:
        for client in self._clients:
            client.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending.set()
        for client in self._clients:
            client.join()

    def _stream(self) -> None:
        while not self._ending.is_set():
            try:
                with self._api.stream_completion(
                    self._prompt, model=self._model, **self._options
                ) as stream:
                    wrong = self._what_is_wrong_with(stream)
            except (OSError, HTTPException) as error:
                wrong = f"failed: {error!r}"
            with self._counts:
                if wrong:
                    self.wrong[wrong] += 1
                else:
                    self.served += 1

    def _what_is_wrong_with(self, stream: Stream) -> str:
        """Empty for a stream that has all of its text, one finish reason, and its end."""
        events = list(stream.events())
        if stream.status != 200 or any(event.name == "error" for event in events):
            return f"failed: {stream.status} {events or stream.rest()}"
        chunks = [event.json for event in events if event.data != DONE]
        text = "".join(text_of(chunk) for chunk in chunks).strip()
        ended = events and events[-1].data == DONE
        if text != self._said or finish_reasons(chunks) != [self._ends] or not ended:
            return f"short: {text!r} {finish_reasons(chunks)} {events[-1:]}"
        return ""
