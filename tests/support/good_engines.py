"""Engines that keep the contract, of each kind that there is."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

from dynamo_backend_common import EngineConfig, InvalidArgument, PushKvEvents, Steps

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from dynamo_backend_common import Chunk, KvPublisher, Request, RequestContext, StepStream

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

    async def supported_updates(self) -> Sequence[str]:
        return ("load_lora",)

    async def engine_update(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"status": "error", "message": f"no update {name}"}


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


GOOD: list[Callable[[], Any]] = [Good, Synchronous, Stepped, Caching]
