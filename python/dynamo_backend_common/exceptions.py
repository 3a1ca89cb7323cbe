"""The exceptions of a worker: one class per kind of error that Dynamo knows.

An engine that raises one of these is reported to the client as that kind; the worker itself
raises them from ``Worker(...)`` and ``run()``. Where a built-in exception says the same, it is a
base too, so that ``except ValueError`` or ``except ConnectionError`` works as one expects.
"""

from typing import ClassVar


class DynamoError(Exception):
    """Base of every error of this package: a kind and a message.

    Raise one of its subclasses rather than this class, which is reported as ``Unknown``.
    """

    kind: ClassVar[str] = "Unknown"
    """Name of the kind, as it is sent to the client."""


class Unknown(DynamoError):
    """An error that no other kind describes."""

    kind = "Unknown"


class InvalidArgument(DynamoError, ValueError):
    """A value that was passed in cannot be used: a bad request, option or configuration field."""

    kind = "InvalidArgument"


class CannotConnect(DynamoError, ConnectionError):
    """A connection could not be made. A frontend with migration tries another worker."""

    kind = "CannotConnect"


class Disconnected(DynamoError, ConnectionError):
    """A connection was lost. A frontend with migration tries another worker."""

    kind = "Disconnected"


class ConnectionTimeout(DynamoError, TimeoutError):
    """Connecting took too long. A frontend with migration tries another worker."""

    kind = "ConnectionTimeout"


class ResponseTimeout(DynamoError, TimeoutError):
    """An answer took too long. A frontend with migration tries another worker."""

    kind = "ResponseTimeout"


class Cancelled(DynamoError):
    """The request was cancelled. It is never tried again."""

    kind = "Cancelled"


class EngineShutdown(DynamoError):
    """The engine is going away. A frontend with migration avoids this worker from then on."""

    kind = "EngineShutdown"


class StreamIncomplete(DynamoError):
    """A stream ended without its terminal chunk. A frontend with migration avoids the worker."""

    kind = "StreamIncomplete"
