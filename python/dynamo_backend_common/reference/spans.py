"""A span, as their ``SpanProxy``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from .._core import Span
    from ..tracing import SpanAttribute

_INTEGERS = range(-(2**63), 2**63)


class ReferenceSpan:
    """The request's span, or one below it; does nothing where the request is in no trace."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def set_attribute(self, key: str, value: Any) -> None:
        """Sets an attribute of the span."""
        self._span.set_attribute(key, _attribute(value))

    def add_event(self, name: str, attrs: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Tells that something happened now."""
        self._span.add_event(name, attributes({**(attrs or {}), **more}))

    def set_status(self, status: Literal["ok", "error"], description: str | None = None) -> None:
        """Says whether what the span is of succeeded."""
        self._span.set_status(status, description)

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


def attributes(given: Mapping[str, Any] | None) -> dict[str, SpanAttribute]:
    """Names and values, each as a trace can have it."""
    return {str(name): _attribute(value) for name, value in (given or {}).items()}


def _attribute(value: Any) -> SpanAttribute:
    """Theirs takes anything: what a trace does not have a type for is the text that shows it."""
    if isinstance(value, bool | float | str):
        return value
    return value if isinstance(value, int) and value in _INTEGERS else str(value)
