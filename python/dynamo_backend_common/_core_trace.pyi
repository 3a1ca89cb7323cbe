"""Types of the compiled core for traces. At run time they are in `_core`."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Literal, Self, TypeAlias, final

SpanAttribute: TypeAlias = (
    str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]
)

@final
class Span:
    """A span of a request, as of OpenTelemetry: the request's own, or one below that.

    A context manager: at its end the span ends, and what is raised in it makes it one that failed,
    with the exception's class as ``error.type``::

        with context.start_span("load prefix", {"blocks": 8}) as span:
            await self.load(request)
            span.add_event("loaded")

    Where the request is in no trace, or its spans are not exported, and after the span's end, what
    is written to it is nothing. From any thread.
    """

    def is_recording(self) -> bool:
        """Whether what is written to it is exported."""

    def set_attribute(self, name: str, value: SpanAttribute) -> None:
        """Sets an attribute; one of this name that is there is replaced.

        Raises:
            InvalidArgument: The value is no str, bool, int of 64 bits or float, and no list or
                tuple of one of them.
        """

    def add_event(self, name: str, attributes: Mapping[str, SpanAttribute] | None = None) -> None:
        """Adds an event, as of now.

        Raises:
            InvalidArgument: As `set_attribute` does.
        """

    def set_status(self, status: Literal["ok", "error"], description: str | None = None) -> None:
        """Says how it went; the description is of errors only.

        Raises:
            InvalidArgument: The status is another.
        """

    def start_span(self, name: str, attributes: Mapping[str, SpanAttribute] | None = None) -> Span:
        """Begins a span below this one, which ends by `end`, or with its last reference.

        Raises:
            InvalidArgument: As `set_attribute` does; then nothing begins.
        """

    def end(self) -> None:
        """Ends it. The request's own ends with the request, and not by this."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        raised: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
