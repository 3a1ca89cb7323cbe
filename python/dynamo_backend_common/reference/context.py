"""The context of a request, as their ``Context``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .spans import ReferenceSpan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._core import RequestContext


class ReferenceContext:
    """Identity, cancellation and trace of a request, by the names that theirs has.

    The metadata is a dict of the context's own: what an engine changes there, it finds there again,
    and nobody else does.
    """

    __slots__ = ("_context", "_id", "_left", "metadata")

    def __init__(self, context: RequestContext) -> None:
        self._context = context
        self._id = context.id
        self._left: asyncio.Event | None = None
        self.metadata: dict[str, str] = context.metadata

    def id(self) -> str:
        """The request's id."""
        return self._id

    def is_stopped(self) -> bool:
        """Whether nobody wants more output."""
        return self._context.is_stopped() or (self._left is not None and self._left.is_set())

    def is_killed(self) -> bool:
        """Whether nobody reads what still comes."""
        return self._context.is_killed()

    def stop_generating(self) -> None:
        """Has `is_stopped` say so from now on; for the engine alone, the client is not gone."""
        self._own_stop().set()

    def async_killed_or_stopped(self) -> asyncio.Future[bool]:
        """A future that is True when the request is stopped or killed, or its stream has ended."""
        return asyncio.ensure_future(self._stopped())

    async def _stopped(self) -> bool:
        waits: list[asyncio.Future[Any]] = [
            self._context.stopped(),
            asyncio.ensure_future(self._own_stop().wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return True

    def notify_first_token(self) -> None:
        """Tells that the first token exists before its chunk is yielded."""
        self._context.notify_first_token()

    def detached(self, id: str) -> DetachedContext:  # noqa: A002
        """A context of another id in the same trace, which nobody but its owner stops."""
        return DetachedContext(self._context, id, self.metadata)

    @property
    def trace_id(self) -> str | None:
        """Id of the trace that the request is part of; None: of none."""
        return self._context.trace_id

    @property
    def span_id(self) -> str | None:
        """Id of the request's own span; None where there is no trace."""
        parent = self._context.trace_headers().get("traceparent")
        return None if parent is None else parent.split("-")[2]

    @property
    def parent_span_id(self) -> str | None:
        """None: which span the request's own is below is not told."""
        return None

    def trace_headers(self) -> dict[str, str] | None:
        """Headers by which another service continues the request's trace; None without one."""
        return self._context.trace_headers() or None

    def current_span(self) -> ReferenceSpan:
        """The request's own span."""
        return ReferenceSpan(self._context.current_span())

    def start_span(self, name: str, attrs: Mapping[str, Any] | None = None) -> ReferenceSpan:
        """Begins a span of the engine's own, below the request's."""
        return ReferenceSpan(self._context.start_span(name, attrs))

    def __eq__(self, other: object) -> bool:
        """Whether both are of one request."""
        return (
            isinstance(other, ReferenceContext)
            and self._context == other._context
            and self._id == other._id
        )

    def __hash__(self) -> int:
        return hash((self._context, self._id))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self._id!r})"

    def _own_stop(self) -> asyncio.Event:
        if self._left is None:
            self._left = asyncio.Event()
        return self._left


class DetachedContext(ReferenceContext):
    """A context that is stopped by `stop_generating` alone."""

    __slots__ = ()

    def __init__(self, context: RequestContext, id: str, metadata: Mapping[str, str]) -> None:  # noqa: A002
        super().__init__(context)
        self._id = id
        self.metadata = dict(metadata)

    def is_stopped(self) -> bool:
        """Whether its owner stopped it."""
        return self._own_stop().is_set()

    def is_killed(self) -> bool:
        """False: nobody kills it."""
        return False

    async def _stopped(self) -> bool:
        return await self._own_stop().wait()

    def notify_first_token(self) -> None:
        """Does nothing: the request that it comes from has its own tokens."""
