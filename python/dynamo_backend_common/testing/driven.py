"""An engine without a worker: called by the same code, from the same threads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .._serving.bridge import Bridge
from .._serving.taking import as_rust_engine
from .event_loop import loop_for_tests

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from .._core import RequestContext, TestContext, TestStream


class Driven:
    """An engine behind the bridge and the task of a worker, and no network."""

    def __init__(self, engine: Any) -> None:
        self.bridge: Bridge | None = None
        driven: Any = as_rust_engine(engine)
        if driven is not None:
            self.name: str = driven.name
        else:
            driven = self.bridge = Bridge(engine, None)
            self.name = self.bridge.name
        self.core = loop_for_tests().engine(driven, self.name)

    def close(self) -> None:
        """Ends what it began beside the engine, which lives on."""
        if self.bridge is not None:
            self.bridge.end_threads()

    async def chunks(
        self, request: Mapping[str, Any], context: RequestContext
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks that a client gets; told to the engine's ``abort`` when it is stopped."""
        told = asyncio.ensure_future(self._tell_stop(context))
        stream: TestStream | None = None
        try:
            stream = await self.core.generate(request, context)
            while (chunk := await stream.next()) is not None:
                yield _as_yielded(chunk)
                if chunk.get("finish_reason") is not None:
                    break
        finally:
            if stream is not None:
                stream.close()
            if not context.is_stopped():
                told.cancel()
            await asyncio.wait([told])

    async def _tell_stop(self, context: RequestContext) -> None:
        await context.stopped()
        await self.core.abort(context)

    async def collect(
        self,
        request: Mapping[str, Any],
        context: TestContext,
        leave_at: Callable[[int], None] | None = None,
    ) -> list[dict[str, Any]]:
        """All chunks; ``leave_at`` is called with how many there are, before each next one."""
        collected: list[dict[str, Any]] = []
        chunks = self.chunks(request, context)
        try:
            async for chunk in chunks:
                collected.append(chunk)
                if leave_at is not None:
                    leave_at(len(collected))
        finally:
            await chunks.aclose()
        return collected


def _as_yielded(chunk: dict[str, Any]) -> dict[str, Any]:
    """Without what an engine need not say, and did not."""
    silent = {"output_type": "text"}
    return {
        key: value for key, value in chunk.items() if value is not None and silent.get(key) != value
    }
