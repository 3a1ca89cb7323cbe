"""What is said of a stream that does not keep to its contract, however it is iterated."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .._log.request import RequestLogFilter
from ..exceptions import DynamoError, StreamIncomplete

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._core import RequestContext, Sink

logger = logging.getLogger("dynamo_backend_common")
logger.addFilter(RequestLogFilter())

_MOST_NAMED = 8


def without_terminal(engine: str) -> StreamIncomplete:
    """The error of a stream that ended too early."""
    return StreamIncomplete(
        f"{engine} ended the stream without a terminal chunk;"
        " the last chunk must have a finish_reason"
    )


def log_one_more(context: RequestContext, engine: str, chunk: object) -> None:
    """Logs a chunk that came after the terminal one."""
    logger.error(
        "request %s: %s yielded a chunk after the terminal one, which must be last: type %s",
        context.id,
        engine,
        type(chunk).__name__,
    )


def log_no_end(context: RequestContext, engine: str, *, in_thread: bool) -> None:
    """Logs that a generate goes on though its stream is over."""
    what = "it is cancelled"
    if in_thread:
        what = "nothing can interrupt its thread, which other requests are kept from"
    logger.warning(
        "request %s: %s.generate did not end after its last chunk: %s", context.id, engine, what
    )


def log_refusal(context: RequestContext, sink: Sink) -> None:
    """Logs why the last chunk was refused, where it was its own fault."""
    refusal = sink.refusal
    if refusal is not None:
        logger.error("request %s: %s", context.id, refusal)


def log_failure(
    request_id: str,
    engine: str,
    raised: BaseException,
    extra: Mapping[str, str | None] | None = None,
) -> None:
    """Logs what an engine raised in a request: with its traceback, unless it is typed."""
    if isinstance(raised, DynamoError):
        # The engine, or the pump, said all that there is to know, but for what it came from.
        cause = raised.__cause__
        logger.warning(
            "request %s: %s: %s: %s",
            *(request_id, engine, raised.kind, raised),
            exc_info=cause,
            extra=extra,
        )
    else:
        logger.error("request %s: %s failed", request_id, engine, exc_info=raised, extra=extra)


def log_step_failure(
    requests: Mapping[str, str | None], engine: str, raised: BaseException
) -> None:
    """Logs what a step failed ``requests`` with, ids and traces: of many the first are named."""
    first = list(requests)[:_MOST_NAMED]
    more = len(requests) - len(first)
    named = ", ".join(first) + (f" and {more} more" if more else "")
    # The thread of a step loop is in no request.
    request_id = first[0]
    extra = {"request_id": request_id, "trace_id": requests[request_id]}
    log_failure(named, engine, raised, extra if len(requests) == 1 else None)
