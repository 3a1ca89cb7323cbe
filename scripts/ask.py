"""Asks the model of an OpenAI API one question, and prints the answer as it streams.

python3 scripts/ask.py "What is gravity?" --url http://127.0.0.1:8000/v1
"""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

_TIMEOUT_SECONDS = 120
_MAX_TOKENS = 256


class AskError(Exception):
    """The question was not answered; the message says why."""


def question(url: str, text: str) -> dict[str, Any]:
    """The request that asks ``text`` of the first model that the API lists.

    Args:
        url: Base address of the API, with ``/v1``.
        text: What is asked.

    Raises:
        AskError: The API cannot be reached, or lists no model.
    """
    models = json.load(_open(f"{url}/models"))["data"]
    if not models:
        raise AskError(f"{url} lists no model")
    return {
        "model": models[0]["id"],
        "messages": [{"role": "user", "content": text}],
        "max_tokens": _MAX_TOKENS,
        "temperature": 0,
        "stream": True,
    }


def answer(url: str, body: dict[str, Any]) -> Iterator[str]:
    """Yields the answer's pieces of text as they arrive.

    Raises:
        AskError: The API cannot be reached, or answers with an error.
    """
    for event in _events(_open(f"{url}/chat/completions", body)):
        for choice in event.get("choices", []):
            yield choice["delta"].get("content") or ""


def _events(reply: Any) -> Iterator[dict[str, Any]]:
    for line in reply:
        field, _, value = line.decode().strip().partition(": ")
        if (field, value) == ("event", "error"):
            raise AskError(f"the stream ended with an error: {reply.read().decode().strip()}")
        if field == "data" and value == "[DONE]":
            return
        if field == "data":
            event = json.loads(value)
            if "error" in event:
                raise AskError(f"the stream ended with an error: {event['error']}")
            yield event
    raise AskError("the stream ended before the answer did")


def _open(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"})
    # A proxy of the environment is not for a server on this machine.
    opener = build_opener(ProxyHandler({}))
    try:
        return opener.open(request, timeout=_TIMEOUT_SECONDS)
    except HTTPError as error:
        raise AskError(f"{url}: {error} {error.read().decode()}") from None
    except OSError as error:
        raise AskError(f"{url}: {error}") from None


def main() -> int:
    """Asks what the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(description="Asks a model one question.")
    parser.add_argument("question")
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:8000/v1",
        help="address of the API (default: %(default)s)",
    )
    options = parser.parse_args()
    try:
        for piece in answer(options.url, question(options.url, options.question)):
            print(piece, end="", flush=True)
    except AskError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
