"""Engines that break the contract, each in one way, and one that keeps it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

from dynamo_backend_common import (
    Chunk,
    EngineConfig,
    InvalidArgument,
    KvPublisher,
    PushKvEvents,
    Request,
    RequestContext,
    Steps,
    StepStream,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

BLOCK = 4
CANCELLED: Chunk = {"token_ids": [], "finish_reason": "cancelled"}
STOP: Chunk = {"token_ids": [], "finish_reason": "stop"}


class Good:
    """Keeps it: the others differ from this one by one method."""

    def __init__(self) -> None:
        self.model: str | None = None

    async def start(self, worker_id: int) -> EngineConfig:
        self.model = "good"
        return EngineConfig(model="good", kv_cache_block_size=BLOCK)

    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        for token in self.tokens(request):
            if context.is_stopped():
                yield CANCELLED
                return
            await asyncio.sleep(0)
            yield {"token_ids": [token]}
        yield STOP

    def tokens(self, request: Request) -> Sequence[int]:
        return range(request["stop_conditions"].get("max_tokens") or 8)

    async def cleanup(self) -> None:
        self.model = None

    async def health_check_payload(self) -> Mapping[str, Any]:
        return {
            "token_ids": [1],
            "stop_conditions": {"max_tokens": 1},
            "sampling_options": {},
            "output_options": {},
        }

    async def supported_controls(self) -> Sequence[str]:
        return ("sleep", "wake_up")

    async def engine_control(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if name not in ("sleep", "wake_up"):
            raise InvalidArgument(f"no control {name}")
        return {"status": "ok"}


class Synchronous(Good):
    """Keeps it, in threads."""

    def generate(  # type: ignore[override]
        self, request: Request, context: RequestContext
    ) -> Iterator[Chunk]:
        for token in self.tokens(request):
            if context.is_stopped():
                yield CANCELLED
                return
            yield {"token_ids": [token]}
        yield STOP


class Stepped(Good):
    """Keeps it, with a step loop."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = Steps()
        self.left: dict[int, int] = {}
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None

    async def start(self, worker_id: int) -> EngineConfig:
        self.thread = threading.Thread(target=self.step_loop)
        await super().start(worker_id)
        self.thread.start()
        return EngineConfig(model="stepped")

    async def generate(  # type: ignore[override]
        self, request: Request, context: RequestContext
    ) -> StepStream:
        with self.lock:
            stream = self.steps.open(context)
            self.left[stream.id] = len(self.tokens(request))
        return stream

    def step_loop(self) -> None:
        while self.model is not None:
            with self.lock:
                self.left = {stream: left - 1 for stream, left in self.left.items()}
                step: list[Any] = [
                    (stream, left) if left > 0 else (stream, [], "stop")
                    for stream, left in self.left.items()
                ]
                gone = {stream for stream, left in self.left.items() if left <= 0}
                gone |= set(self.steps.push(step).cancelled)
                self.left = {one: left for one, left in self.left.items() if one not in gone}
            time.sleep(0.001)

    async def cleanup(self) -> None:
        await super().cleanup()
        if self.thread is not None:
            await asyncio.to_thread(self.thread.join)


class Caching(Good):
    """Keeps it, with KV events of a cache that holds the last prompt."""

    def __init__(self) -> None:
        super().__init__()
        self.publisher: KvPublisher | None = None
        self.cached: list[int] = []

    async def kv_event_sources(self) -> Sequence[PushKvEvents]:
        return [PushKvEvents(on_ready=self.take)]

    def take(self, publisher: KvPublisher) -> None:
        self.publisher = publisher

    def tokens(self, request: Request) -> Sequence[int]:
        prompt = list(request["token_ids"])[: 4 * BLOCK]
        blocks = [tuple(prompt[at : at + BLOCK]) for at in range(0, len(prompt), BLOCK)]
        whole = [(hash((tuple(prompt[:BLOCK]), block)), block) for block in blocks]
        self.replace([(name, block) for name, block in whole if len(block) == BLOCK])
        return super().tokens(request)

    def replace(self, blocks: list[tuple[int, tuple[int, ...]]]) -> None:
        assert self.publisher is not None
        self.publisher.publish_removed(self.cached)
        self.publisher.publish_stored(blocks)
        self.cached = [name for name, _ in blocks]


class NotADict(Good):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Any]:
        yield 7


class MisspeltKey(Good):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Any]:
        yield {"token_ids": [1], "logprobs": [0.5]}
        yield STOP


class NoTerminal(Good):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        yield {"token_ids": [1]}


class OneMore(Good):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        yield {"token_ids": [1]}
        yield STOP
        yield {"token_ids": [2]}


class YieldsWhenClosed(Good):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        try:
            async for chunk in super().generate(request, context):
                yield chunk
        except GeneratorExit:
            yield CANCELLED


class HangsWhenClosed(Good):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        try:
            async for chunk in super().generate(request, context):
                await asyncio.sleep(0.01)
                yield chunk
        finally:
            if not context.is_stopped():
                await asyncio.Event().wait()


class IgnoresStop(Good):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        for token in self.tokens(request):
            await asyncio.sleep(0)
            yield {"token_ids": [token]}
        yield STOP


class StopsWithStop(Good):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        async for chunk in super().generate(request, context):
            yield STOP if chunk is CANCELLED else chunk


class StopsWithError(Good):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        async for chunk in super().generate(request, context):
            if context.is_stopped():
                raise RuntimeError("stopped")
            yield chunk


class KilledByError(Good):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        async for chunk in super().generate(request, context):
            if context.is_killed():
                raise RuntimeError("killed")
            yield chunk


class UntypedErrors(Good):
    def tokens(self, request: Request) -> Sequence[int]:
        return [request["token_ids"][0], *super().tokens(request)]


class BrokenByBadRequest(Good):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        if self.model is None:
            raise InvalidArgument("the model is gone")
        if not request["token_ids"]:
            self.model = None
            raise InvalidArgument("no prompt")
        async for chunk in super().generate(request, context):
            yield chunk


class BadProbe(Good):
    async def health_check_payload(self) -> Mapping[str, Any]:
        return {"prompt": "hello"}


class FailsItsProbe(Good):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        if request.get("_HEALTH_CHECK"):
            raise RuntimeError("no probes")
        async for chunk in super().generate(request, context):
            yield chunk


class NeverWakes(Good):
    async def supported_controls(self) -> Sequence[str]:
        return ("sleep",)


class AnyControl(Good):
    async def engine_control(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"status": "ok"}


class RemovesTwice(Caching):
    def replace(self, blocks: list[tuple[int, tuple[int, ...]]]) -> None:
        assert self.publisher is not None
        cached = list(self.cached)
        super().replace(blocks)
        self.publisher.publish_removed(cached)


class LeavesTasks(Good):
    def __init__(self) -> None:
        super().__init__()
        self.forgotten: list[asyncio.Task[bool]] = []

    def tokens(self, request: Request) -> Sequence[int]:
        self.forgotten.append(asyncio.create_task(asyncio.Event().wait()))
        return super().tokens(request)


class LeavesThreads(Good):
    def __init__(self) -> None:
        super().__init__()
        self.end = threading.Event()

    def tokens(self, request: Request) -> Sequence[int]:
        threading.Thread(target=self.end.wait, name="forgotten", daemon=True).start()
        return super().tokens(request)

    async def cleanup(self) -> None:
        self.end.set()


class LeavesItsLoop(Stepped):
    async def cleanup(self) -> None:
        """Does not end the step loop."""


class FailsToStart(Good):
    async def start(self, worker_id: int) -> EngineConfig:
        raise FileNotFoundError("no such model")


class NoConfig(Good):
    async def start(self, worker_id: int) -> Any:
        return "good"


class HalfStarted(Good):
    def __init__(self) -> None:
        """Has no model before start."""

    async def cleanup(self) -> None:
        assert self.model is not None


class CleansUpOnce(Good):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    async def cleanup(self) -> None:
        self.count += 1
        if self.count > 1:
            raise RuntimeError("closed already")


class FailsToCleanUp(Good):
    async def cleanup(self) -> None:
        if self.model is not None:
            self.model = None
            raise OSError("device busy")


class FailsToDrain(Good):
    async def drain(self) -> None:
        raise RuntimeError("nobody there")


class NeverQuiet(Good):
    async def is_quiescent(self) -> bool:
        return False


class Blocks(Good):
    def tokens(self, request: Request) -> Sequence[int]:
        time.sleep(1.0)
        return super().tokens(request)


GOOD: list[Callable[[], Any]] = [Good, Synchronous, Stepped, Caching]

WRONG: list[tuple[Callable[[], Any], str, str]] = [
    (NotADict, "chunk_shapes", "yielded 7"),
    (MisspeltKey, "chunk_shapes", "'logprobs'"),
    (NoTerminal, "one_terminal_chunk", "without a terminal chunk"),
    (OneMore, "one_terminal_chunk", "yielded 1 more"),
    (YieldsWhenClosed, "generator_is_closed", "ignored GeneratorExit"),
    (HangsWhenClosed, "generator_is_closed", "goes on"),
    (IgnoresStop, "cancellation_at_every_point", "its generator yielded"),
    (StopsWithStop, "cancellation_at_every_point", "'stop', not with 'cancelled'"),
    (StopsWithError, "cancellation_at_every_point", "RuntimeError: stopped"),
    (KilledByError, "kill", "RuntimeError: killed"),
    (UntypedErrors, "errors_are_typed", "an empty prompt is answered with Unknown"),
    (BrokenByBadRequest, "serves_after_bad_requests", "the model is gone"),
    (BadProbe, "probe", "token_ids"),
    (FailsItsProbe, "probe", "no probes"),
    (NeverWakes, "controls", "no 'wake_up'"),
    (AnyControl, "controls", "'no_such_control', succeeds"),
    (RemovesTwice, "kv_events", "which is not stored"),
    (LeavesTasks, "no_leaks", "tasks of Event.wait"),
    (LeavesThreads, "no_leaks", "threads forgotten"),
    (LeavesItsLoop, "nothing_is_left", "step_loop"),
    (FailsToStart, "start", "FileNotFoundError: no such model"),
    (NoConfig, "start", "EngineConfig"),
    (HalfStarted, "cleanup_after_failed_start", "AttributeError"),
    (CleansUpOnce, "cleanup_twice", "closed already"),
    (FailsToCleanUp, "cleanup", "device busy"),
    (FailsToDrain, "drain", "nobody there"),
    (NeverQuiet, "drain", "is_quiescent says False"),
    (Blocks, "event_loop_is_free", "in Blocks.tokens: time.sleep(1.0)"),
]
