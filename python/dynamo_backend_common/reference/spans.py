"""A span, as their ``SpanProxy``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from .._core import Span

_STATUSES = ("ok", "error")


class ReferenceSpan:
    """The request's span, or one below it; does nothing where the request is in no trace."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def set_attribute(self, key: str, value: Any) -> None:
        """Sets an attribute of the span."""
        self._span.set_attribute(key, value)

    def add_event(self, name: str, attrs: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Tells that something happened now."""
        self._span.add_event(name, {**(attrs or {}), **more})

    def set_status(self, status: str, description: str | None = None) -> None:
        """Says whether what the span is of succeeded: ``ok``, or ``error``."""
        if status not in _STATUSES:
            raise InvalidArgument(f"status: {status!r} is unknown; accepted: ok, error")
        if status == "ok":
            self._span.succeed()
        else:
            self._span.fail(description or "")

    def close(self) -> None:
        """Ends a span of the engine's own; the request's ends by itself."""
        self._span.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
