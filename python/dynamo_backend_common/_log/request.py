"""Which request a record of `logging` belongs to."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._core import RequestContext

current_request: ContextVar[RequestContext | None] = ContextVar(
    "dynamo_backend_common.current_request", default=None
)
"""The request whose ``generate`` or ``abort`` runs here; set once a request, by its task."""


class RequestLogFilter(logging.Filter):
    """Gives every record the ``request_id`` and the ``trace_id`` of the request it belongs to.

    For a handler of yours: ``handler.addFilter(RequestLogFilter())``, and ``%(request_id)s`` in its
    format. Nothing is filtered out. Both attributes are None where a record belongs to no request,
    or to one without a trace; a value that a record brings is kept. A record belongs to a request
    when its ``generate`` or ``abort`` logs it, what these call or await, or a task that they start.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Adds the attributes; True always."""
        request = current_request.get()
        own = record.__dict__
        if own.get("request_id") is None:
            own["request_id"] = None if request is None else request.id
        if own.get("trace_id") is None:
            own["trace_id"] = None if request is None else request.trace_id
        return True
