"""What an engine's ``generate`` is, and what it may return."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_ASYNCHRONOUS = ("Async", "Awaitable", "Coroutine")


def is_synchronous(generate: Callable[..., Any]) -> bool:
    """Whether its code may block: it is a plain generator or a plain function.

    A plain function that is annotated as returning an asynchronous iterator or an awaitable only
    makes one, and belongs to the event loop.
    """
    function: Any = inspect.unwrap(generate)
    while isinstance(function, partial):
        function = inspect.unwrap(function.func)
    if not inspect.isroutine(function):
        function = inspect.unwrap(type(function).__call__)
    if inspect.isasyncgenfunction(function) or inspect.iscoroutinefunction(function):
        return False
    returns = getattr(function, "__annotations__", {}).get("return")
    return not any(word in str(returns) for word in _ASYNCHRONOUS)


def is_asynchronous(returned: Any) -> bool:
    """Whether only the event loop can make chunks of what ``generate`` returned."""
    return hasattr(returned, "__aiter__") or inspect.isawaitable(returned)


async def returned_chunks(engine: str, returned: Any) -> AsyncIterator[Any]:
    """The chunks that an ``async def`` without ``yield`` returned: one, or a list of them."""
    if isinstance(returned, Mapping):
        yield returned
    elif isinstance(returned, list | tuple):
        for chunk in returned:
            yield chunk
    else:
        raise not_chunks(engine, returned)


def iterable_chunks(engine: str, returned: Any) -> Iterable[Any]:
    """The chunks of what a plain function or generator returned."""
    if isinstance(returned, Mapping):
        return (returned,)
    if isinstance(returned, Iterable) and not isinstance(returned, str | bytes):
        return returned
    raise not_chunks(engine, returned)


def not_chunks(engine: str, returned: Any) -> TypeError:
    """The error of a ``generate`` that returned something else."""
    what = "None" if returned is None else f"a value of type {type(returned).__name__}"
    return TypeError(
        f"{engine}.generate returned {what}; it must yield chunks (a generator, 'async def' or"
        " 'def'), or return one chunk, which is a dict, or a list of chunks"
    )
