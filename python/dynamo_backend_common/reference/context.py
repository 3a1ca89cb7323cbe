"""The context of a request, as their ``Context``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .spans import ReferenceSpan, attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._core import RequestContext


class ReferenceContext:
    """Identity, cancellation and trace of a request, by the names that theirs has."""

    __slots__ = ("_context",)

    def __init__(self, context: RequestContext) -> None:
        self._context = context

    def id(self) -> str:
        """The request's id."""
        return self._context.id

    @property
    def metadata(self) -> dict[str, str]:
        """Strings that the caller sent along: one dict, which the engine may change or replace."""
        return self._context.metadata

    @metadata.setter
    def metadata(self, metadata: Mapping[str, str]) -> None:
        self._context.metadata = metadata

    def is_stopped(self) -> bool:
        """Whether nobody wants more output."""
        return self._context.is_stopped()

    def is_killed(self) -> bool:
        """Whether nobody reads what still comes."""
        return self._context.is_killed()

    def stop_generating(self) -> None:
        """Stops the request, as its client may."""
        self._context.stop_generating()

    def async_killed_or_stopped(self) -> asyncio.Future[bool]:
        """A future that is True when the request is stopped or killed, or its stream has ended."""
        return asyncio.ensure_future(_true_after(self._context.stopped()))

    def notify_first_token(self) -> None:
        """Tells that the first token exists before its chunk is yielded."""
        self._context.notify_first_token()

    def detached(self, id: str) -> ReferenceContext:  # noqa: A002
        """A context of another id in the same trace, which only its own owner stops."""
        return ReferenceContext(self._context.detached(id))

    @property
    def trace_id(self) -> str | None:
        """Id of the trace that the request is part of; None: of none."""
        return self._context.trace_id

    @property
    def span_id(self) -> str | None:
        """Id of the span that `trace_headers` names; None: no trace."""
        return self._context.span_id

    @property
    def parent_span_id(self) -> str | None:
        """Id of the span above that; None: there is none, or no trace."""
        return self._context.parent_span_id

    def trace_headers(self) -> dict[str, str] | None:
        """Headers by which another service continues the request's trace; None without one."""
        return self._context.trace_headers() or None

    def current_span(self) -> ReferenceSpan:
        """The request's own span."""
        return ReferenceSpan(self._context.current_span())

    def start_span(self, name: str, attrs: Mapping[str, Any] | None = None) -> ReferenceSpan:
        """Begins a span of the engine's own, below the request's."""
        return ReferenceSpan(self._context.start_span(name, attributes(attrs)))

    def __eq__(self, other: object) -> bool:
        """Whether both are of one request."""
        return isinstance(other, ReferenceContext) and self._context == other._context

    def __hash__(self) -> int:
        return hash(self._context)

    def __repr__(self) -> str:
        return f"Context(id={self.id()!r})"


async def _true_after(stopped: asyncio.Future[None]) -> bool:
    await stopped
    return True
