"""An engine whose generators are seen from inside: what they yield, and how they end."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from .._core import RequestContext

_PAUSE_SECONDS = 0.01


class Trace:
    """One request's generator, as it went on."""

    def __init__(
        self, on_chunk: Callable[[int], None] | None = None, *, is_held: bool = False
    ) -> None:
        self.chunks: list[Any] = []
        """All that it yielded, also what no client got."""
        self.ended = False
        """It let go: it ran to its end, or was closed and its ``finally`` has completed."""
        self.raised: Exception | None = None
        self.close_error: BaseException | None = None
        self.goes_on = threading.Event()
        """Until it is set, the generator gets no further than its first chunk."""
        if not is_held:
            self.goes_on.set()
        self._on_chunk = on_chunk

    @property
    def dicts(self) -> list[dict[str, Any]]:
        """Those of them that are chunks by their type."""
        return [chunk for chunk in self.chunks if isinstance(chunk, dict)]

    def saw(self, chunk: Any) -> None:
        """Called with each chunk before anybody else has it."""
        self.chunks.append(chunk)
        if self._on_chunk is not None:
            self._on_chunk(len(self.chunks))


class Observed:
    """Stands for an engine, and is it but for ``generate``."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._traces: dict[RequestContext, Trace] = {}
        generate = getattr(engine, "generate", None)
        if inspect.isasyncgenfunction(generate):
            self.generate: Any = self._async_generate
        elif inspect.isgeneratorfunction(generate):
            self.generate = self._generate
        self.sees = "generate" in vars(self)
        """Whether ``generate`` is a generator, which can be seen from inside."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def __dir__(self) -> list[str]:
        return dir(self._engine)

    def trace(self, context: RequestContext, trace: Trace) -> None:
        """Has ``trace`` told of the request with this context."""
        self._traces[context] = trace

    async def _async_generate(
        self, request: Any, context: RequestContext
    ) -> AsyncGenerator[Any, None]:
        trace = self._traces.pop(context, None) or Trace()
        chunks = self._engine.generate(request, context)
        try:
            async for chunk in chunks:
                trace.saw(chunk)
                yield chunk
                # An event of threads: whoever sets it has both kinds of generators.
                while not trace.goes_on.is_set():  # noqa: ASYNC110
                    await asyncio.sleep(_PAUSE_SECONDS)
        except Exception as raised:
            trace.raised = raised
            raise
        finally:
            try:
                await chunks.aclose()
            except BaseException as raised:
                trace.close_error = raised
                raise
            finally:
                trace.ended = True

    def _generate(self, request: Any, context: RequestContext) -> Generator[Any, None, None]:
        trace = self._traces.pop(context, None) or Trace()
        chunks = self._engine.generate(request, context)
        try:
            for chunk in chunks:
                trace.saw(chunk)
                yield chunk
                trace.goes_on.wait()
        except Exception as raised:
            trace.raised = raised
            raise
        finally:
            try:
                chunks.close()
            except BaseException as raised:
                trace.close_error = raised
                raise
            finally:
                trace.ended = True


def observed(engine: Any) -> Any:
    """``engine`` as `Observed`, under its own name."""
    return type(type(engine).__name__, (Observed,), {})(engine)
