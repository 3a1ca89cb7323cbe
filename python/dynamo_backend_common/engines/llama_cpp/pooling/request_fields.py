"""What both endpoints ask of a request's fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from ....messages import HEALTH_CHECK_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Who asks, and what a frontend or a probe adds: nothing of it changes an answer.
_ABOUT = ("model", "user", "nvext", HEALTH_CHECK_KEY)


def refuse_unknown(request: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuses a field that asks for something the engine does not have.

    Raises:
        InvalidArgument: There is such a field; the message names it.
    """
    for name, value in request.items():
        if value is not None and name not in known and name not in _ABOUT:
            raise InvalidArgument(f"{name} is not supported by llama-cpp")


def flag(request: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """A true or false.

    Raises:
        InvalidArgument: It is something else.
    """
    value = request.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidArgument(f"{name} is {value!r}; it must be true or false")
    return value


def whole(request: Mapping[str, Any], name: str, *, least: int = 1) -> int | None:
    """A whole number, or None where there is none.

    Raises:
        InvalidArgument: It is something else, or less than ``least``.
    """
    value = request.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidArgument(f"{name} is {value!r}; it must be an integer of {least} or more")
    return value


def check_length(what: str, tokens: Sequence[int], longest: int) -> None:
    """Refuses a text that is empty, or longer than the context.

    Raises:
        InvalidArgument: It is; the message says how long it is.
    """
    if not tokens:
        raise InvalidArgument(f"{what} is empty: it must have at least one token")
    if len(tokens) > longest:
        raise InvalidArgument(f"{what} has {len(tokens)} tokens, the context {longest}: shorten it")
