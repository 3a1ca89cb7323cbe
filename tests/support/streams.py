"""Requests that are in flight while something happens to the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .api import finish_reasons, read_text

if TYPE_CHECKING:
    from contextlib import ExitStack

    from .api import Api, Stream

PROMPT = "alpha beta gamma delta"


def begin(stack: ExitStack, api: Api, **options: Any) -> tuple[Stream, str]:
    """A stream in flight, with the text that came already."""
    stream = stack.enter_context(api.stream_completion(PROMPT, **options))
    return stream, stream.first_text()


def finishes(stream: Stream, first: str) -> None:
    """Reads the rest of a stream, which must be whole."""
    rest, chunks = read_text(stream)
    assert (first + rest).strip() == PROMPT
    assert finish_reasons(chunks) == ["stop"]
