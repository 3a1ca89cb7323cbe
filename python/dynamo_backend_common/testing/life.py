"""One engine from its start to its cleanup, as the checks drive it."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from .._core import unread_snapshots
from ..config import WorkerConfig
from ..exceptions import DynamoError
from ..worker import Worker
from .check import NotApplicable, Problem
from .driven import Driven
from .event_loop import context
from .metrics import UnreadMetrics
from .observed import Observed, Trace, observed
from .places import Places
from .requests import PARTS

if TYPE_CHECKING:
    import threading
    from collections.abc import Awaitable, Callable, Mapping

    from .._core import TestContext, TestKvRecord
    from .._serving.bridge import Bridge

_T = TypeVar("_T")

_TOLD_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client got of one request, and what was seen of its generator."""

    chunks: list[dict[str, Any]]
    error: DynamoError | None
    trace: Trace

    @property
    def tokens(self) -> int:
        """How many there are."""
        return sum(len(chunk.get("token_ids", ())) for chunk in self.chunks)

    @property
    def reason(self) -> Any:
        """The finish reason of the last chunk; None where there is none."""
        return self.chunks[-1].get("finish_reason") if self.chunks else None


class Life:
    """An engine and what the checks know of it."""

    def __init__(
        self,
        engine: Any,
        make: Callable[[], Any],
        request: Mapping[str, Any],
        *,
        count: int,
        timeout: float,
        threads: frozenset[threading.Thread],
    ) -> None:
        self.engine = engine
        self.make = make
        """Makes another one; the checks of a failed start want that."""
        self.threads_before = threads
        """Those that were there before the engine."""
        self.request: dict[str, Any] = {part: {} for part in PARTS} | dict(request)
        self.config = WorkerConfig()
        """A worker's, with what the engine's ``configure`` filled in."""
        self.count = count
        self.timeout = timeout
        self.whole: Answer | None = None
        """The answer to the request that nobody stops, once it is known to be a good one."""
        self.kv: list[TestKvRecord] = []
        self.watching: asyncio.Future[None] | None = None
        """The engine's ``watch``, once it has started."""
        self.places = Places(self.engine)
        self._seen = observed(self.engine)
        self.driven = Driven(self._seen)

    @property
    def name(self) -> str:
        """The engine's."""
        return self.driven.name

    @property
    def sees(self) -> bool:
        """Whether its generators are seen from inside."""
        return isinstance(self._seen, Observed) and self._seen.sees

    async def start(self) -> None:
        """Starts the engine, and calls the hooks that a worker calls before it serves."""
        # What it makes of the engine's own configure is checked there.
        self.config = Worker(self.engine, self.config).config
        config = await self.within(self.driven.core.start(1), "start")
        bridge = self.driven.bridge
        if bridge is not None:
            await self._set_up_metrics(bridge)
        recorded = self.driven.core.record_kv_events(config)
        self.kv = await self.within(recorded, "kv_event_sources")
        if bridge is not None:
            self.watching = asyncio.ensure_future(bridge.watch())

    async def _set_up_metrics(self, bridge: Bridge) -> None:
        metrics: Any = UnreadMetrics()
        bound = await self.within(
            bridge.setup_metrics("test", "backend", 0.0, metrics), "setup_metrics"
        )
        if bound is not None and bound.dp_ranks and bound.on_publisher_ready is not None:
            await _maybe_awaited(bound.on_publisher_ready(unread_snapshots()))

    async def ask(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        stop_at: int | None = None,
        kill: bool = False,
        what: str = "the request",
    ) -> Answer:
        """Serves one request to its end; stopped when the engine has yielded ``stop_at`` chunks.

        Where its generator is not seen, that is when the client has them.
        """
        asked = context()
        leave = asked.kill if kill else asked.stop

        def leave_at(count: int) -> None:
            if count == stop_at:
                leave()

        trace = Trace(leave_at if self.sees else None)
        if self.sees:
            self._seen.trace(asked, trace)
        chunks: list[dict[str, Any]] = []
        error: DynamoError | None = None

        async def read() -> None:
            stream = self.driven.chunks(self.request if request is None else request, asked)
            try:
                async for chunk in stream:
                    chunks.append(chunk)
                    if not self.sees:
                        leave_at(len(chunks))
            finally:
                await stream.aclose()

        try:
            await self.within(read(), what)
        except DynamoError as raised:
            error = raised
        return Answer(chunks, error, trace)

    async def leave_after_first(self) -> Trace:
        """The client of a request drops its stream at the first chunk, without a stop."""
        asked: TestContext = context()
        trace = Trace(is_held=True)
        self._seen.trace(asked, trace)
        stream = self.driven.chunks(self.request, asked)

        async def leave() -> None:
            async for _ in stream:
                break
            await stream.aclose()

        try:
            await self.within(leave(), "the request")
            # By then the worker has told whatever can be told of it.
            await asyncio.sleep(_TOLD_SECONDS)
        finally:
            trace.goes_on.set()
        return trace

    def told(self, answer: Answer) -> str:
        """The error of an answer, with the line where it was raised if that is known."""
        if answer.trace.raised is not None:
            return self.places.of_error(answer.trace.raised)
        return f"{type(answer.error).__name__}: {answer.error}"

    def good_answer(self) -> Answer:
        """The whole answer that others are compared with."""
        if self.whole is None:
            raise NotApplicable("an ordinary request is not answered well yet; mend that first")
        return self.whole

    async def within(self, work: Awaitable[_T], what: str) -> _T:
        """The result of ``work``; a `Problem` where it does not come in time."""
        task = asyncio.ensure_future(work)
        await asyncio.wait([task], timeout=self.timeout)
        if not task.done():
            task.cancel()
            raise Problem(f"{what} did not end within {self.timeout:g} s")
        return task.result()

    async def until(self, is_so: Callable[[], bool]) -> bool:
        """Whether it becomes so in time."""
        for _ in range(max(int(self.timeout / 0.02), 1)):
            if is_so():
                return True
            await asyncio.sleep(0.02)
        return is_so()

    async def clean_up(self, engine: Any) -> None:
        """Calls its ``cleanup`` by hand, as no worker does a second time."""
        await self.within(_maybe_awaited(engine.cleanup()), "cleanup")


async def _maybe_awaited(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer
