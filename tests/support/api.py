"""A client of the OpenAI frontend that hides nothing: statuses, events, and how a stream ends."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .ports import LOOPBACK
from .processes import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from http.client import HTTPResponse

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
DONE = "[DONE]"
"""The data of a stream's last event."""


@dataclass(frozen=True)
class Reply:
    """An answer that is no stream."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Event:
    """A server-sent event."""

    name: str
    data: str

    @property
    def json(self) -> Any:
        return json.loads(self.data)


class Stream:
    """An answer that is read event by event."""

    def __init__(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        self.status = response.status
        self._connection = connection
        self._response = response

    def events(self) -> Iterator[Event]:
        """The events from here to the end of the stream, ``[DONE]`` included."""
        name = data = ""
        for raw in self._response:
            field, _, value = raw.decode().rstrip("\r\n").partition(":")
            if field == "event":
                name = value.strip()
            elif field == "data":
                data += value.strip()
            elif not field and not value and (name or data):
                yield Event(name, data)
                name = data = ""

    def rest(self) -> str:
        """What else is in the answer, for one that is no stream."""
        return self._response.read().decode(errors="replace")

    def first_text(self) -> str:
        """Reads up to the first event that has text; returns the text."""
        for event in self.events():
            if event.data != DONE and (text := text_of(event.json)):
                return text
        raise AssertionError("the stream ended without text")

    def leave(self) -> None:
        """Hangs up, as a client that is gone."""
        self._response.close()
        self._connection.close()


class Api:
    """The API on a port of this machine; ``headers`` go with every request."""

    def __init__(self, port: int, headers: Mapping[str, str] = NO_HEADERS) -> None:
        self.port = port
        self.headers = headers
        self.url = f"http://{LOOPBACK}:{port}/v1"

    def models(self) -> list[str]:
        """The names that are listed."""
        return [model["id"] for model in self.get("models").json["data"]]

    def get(self, path: str) -> Reply:
        connection, response = self._request("GET", path, None)
        with connection_closed(connection):
            return Reply(response.status, response.read().decode())

    def post(self, path: str, body: dict[str, Any]) -> Reply:
        connection, response = self._request("POST", path, body)
        with connection_closed(connection):
            return Reply(response.status, response.read().decode())

    def post_for_bytes(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        """Status and body of an answer that may be no text."""
        connection, response = self._request("POST", path, body)
        with connection_closed(connection):
            return response.status, response.read()

    def stream(self, path: str, body: dict[str, Any]) -> AbstractContextManager[Stream]:
        """Asks for a stream of an endpoint."""
        return self._stream(path, body)

    def complete(self, prompt: str | list[int], **options: Any) -> Reply:
        """A completion that is not streamed, of the first model unless ``model`` is given."""
        return self.post("completions", self._completion(prompt, options))

    def chat(self, *messages: tuple[str, str], **options: Any) -> Reply:
        """A chat completion of (role, content) messages that is not streamed."""
        return self.post("chat/completions", self._chat(messages, options))

    @contextmanager
    def stream_completion(self, prompt: str | list[int], **options: Any) -> Iterator[Stream]:
        with self._stream("completions", self._completion(prompt, options)) as stream:
            yield stream

    @contextmanager
    def stream_chat(self, *messages: tuple[str, str], **options: Any) -> Iterator[Stream]:
        with self._stream("chat/completions", self._chat(messages, options)) as stream:
            yield stream

    def hang_up(self, path: str, body: dict[str, Any]) -> HTTPConnection:
        """Sends a request and returns the connection, for a client that leaves early."""
        connection = HTTPConnection(LOOPBACK, self.port, timeout=PATIENCE)
        self._send(connection, "POST", path, body)
        return connection

    def body_of_completion(self, prompt: str | list[int], **options: Any) -> dict[str, Any]:
        """The body that `complete` sends."""
        return self._completion(prompt, options)

    def _completion(self, prompt: str | list[int], options: dict[str, Any]) -> dict[str, Any]:
        return {"model": self._model(options), "prompt": prompt, "max_tokens": 64} | options

    def _chat(
        self, messages: tuple[tuple[str, str], ...], options: dict[str, Any]
    ) -> dict[str, Any]:
        listed = [{"role": role, "content": content} for role, content in messages]
        return {"model": self._model(options), "messages": listed, "max_tokens": 64} | options

    def _model(self, options: dict[str, Any]) -> str:
        return str(options.get("model") or self.models()[0])

    @contextmanager
    def _stream(self, path: str, body: dict[str, Any]) -> Iterator[Stream]:
        connection, response = self._request("POST", path, body | {"stream": True})
        with connection_closed(connection):
            yield Stream(connection, response)

    def _request(
        self, method: str, path: str, body: dict[str, Any] | None
    ) -> tuple[HTTPConnection, HTTPResponse]:
        connection = HTTPConnection(LOOPBACK, self.port, timeout=PATIENCE)
        self._send(connection, method, path, body)
        return connection, connection.getresponse()

    def _send(
        self, connection: HTTPConnection, method: str, path: str, body: dict[str, Any] | None
    ) -> None:
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", **self.headers}
        connection.request(method, f"/v1/{path}", content, headers)


@contextmanager
def connection_closed(connection: HTTPConnection) -> Iterator[None]:
    """Closes ``connection`` in the end."""
    try:
        yield
    finally:
        connection.close()


def case(name: str) -> dict[str, Any]:
    """Options by which a request tells an engine of the tests what to do."""
    return {"nvext": {"annotations": [f"case:{name}"]}}


def text_of(answer: Any) -> str:
    """The text in the first choice of an answer or of a stream's chunk, of either API."""
    if not answer.get("choices"):
        return ""
    choice = answer["choices"][0]
    part = choice.get("message") or choice.get("delta") or choice
    return part.get("content") or part.get("text") or ""


def read_text(stream: Stream) -> tuple[str, list[Any]]:
    """Reads a stream to its end: the text, and all chunks. It must end with ``[DONE]``."""
    events = list(stream.events())
    assert events, "the stream had no events"
    assert events[-1].data == DONE, f"the stream ended with {events[-1]}"
    chunks = [event.json for event in events[:-1]]
    return "".join(text_of(chunk) for chunk in chunks), chunks


def finish_reasons(chunks: list[Any]) -> list[str]:
    """The finish reasons in the chunks of a stream."""
    choices = [choice for chunk in chunks for choice in chunk.get("choices", [])]
    return [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]


def failed(events: list[Event]) -> bool:
    """Whether the events of a stream end it with an error, and never with a finish reason."""
    objects = [event.json for event in events if event.data.startswith("{")]
    told = any(event.name == "error" for event in events) or any("error" in it for it in objects)
    return told and not finish_reasons(objects)


def wait_for_model(api: Api, model: str = "") -> None:
    """Waits until a frontend that just started serves ``model``, or any where none is named.

    For those that announce nothing, as Dynamo's own. What a worker announces answers at once.
    """

    def listed() -> bool:
        try:
            models = api.models()
        except OSError:
            return False
        return model in models if model else bool(models)

    until(listed, f"the frontend lists {model or 'a model'}")
    # It has the routes a moment later. What is no request shows it without asking an engine.
    routes = ("completions", "chat/completions")
    until(lambda: any(api.post(route, {}).status != 404 for route in routes), "it has routes")


def wait_for_routes(api: Api, model: str, prompt: str | list[int]) -> None:
    """Waits until requests are routed, a while after ``model`` is listed, by sending some."""
    wait_for_model(api, model)
    until(
        lambda: api.complete(prompt, model=model, max_tokens=1).status not in (404, 503),
        "the frontend routes requests",
    )
