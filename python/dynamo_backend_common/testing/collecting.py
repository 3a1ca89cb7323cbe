"""One request to an engine, and all that a client gets of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .driven import Driven
from .event_loop import context as made_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._core import RustEngine, TestContext
    from ..engine import Engine


async def collect(
    engine: Engine | RustEngine,
    request: Mapping[str, Any],
    *,
    stop_after: int | None = None,
    context: TestContext | None = None,
) -> list[dict[str, Any]]:
    """Serves a request as a worker does, and returns its chunks, without the keys that are None.

    The engine has been started, or needs no start. Its chunks take the way of a worker's, up to
    the network: what is no chunk is refused there, chunks that are ready together become one, and a
    stopped request is told to ``abort``.

    Args:
        engine: Any engine: async, synchronous, with `Steps`, or in Rust.
        request: Such as `request` makes.
        stop_after: The client leaves when it has so many chunks; 0: before the first.
        context: One that `context` made, for an id or metadata, or to stop it from outside.

    Raises:
        DynamoError: What a client gets in the place of the next chunk, of its kind.
    """
    context = made_context() if context is None else context
    driven = Driven(engine)

    def leave_at(count: int) -> None:
        if count == stop_after:
            context.stop()

    leave_at(0)
    try:
        return await driven.collect(request, context, leave_at)
    finally:
        driven.close()
