"""Exceptions of ``dynamo.llm.exceptions``, as those of this package."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from .. import exceptions
from ..exceptions import DynamoError, InvalidArgument, Unknown
from .package import theirs

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS: dict[str, type[DynamoError]] = {
    name: kind
    for name, kind in vars(exceptions).items()
    if isinstance(kind, type) and issubclass(kind, DynamoError)
}


@contextmanager
def as_ours() -> Iterator[None]:
    """Raises the counterpart of what is raised inside, caused by that."""
    try:
        yield
    except Exception as raised:
        counterpart = counterpart_of(raised)
        if counterpart is None:
            raise
        raise counterpart from raised


def counterpart_of(raised: Exception) -> DynamoError | None:
    """The exception of this package that says the same; None where ``raised`` is none of theirs.

    The nearest class that has a name of ours counts, so that one which an engine derives from
    theirs keeps its kind. ``HttpError`` is the client's fault where its code says so.
    """
    if isinstance(raised, theirs("llm.exceptions", "HttpError")):
        is_clients = 400 <= raised.code < 500
        return (InvalidArgument if is_clients else Unknown)(str(raised))
    if not isinstance(raised, theirs("llm.exceptions", "DynamoException")):
        return None
    for kind in type(raised).__mro__:
        if kind.__name__ in _KINDS:
            return _KINDS[kind.__name__](str(raised))
    return Unknown(f"{type(raised).__name__}: {raised}")
