"""Engines that a worker cannot take. Each mark names the error of its line."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from dynamo_backend_common import (
    Chunk,
    EngineConfig,
    LLMEngine,
    Progress,
    Request,
    RequestContext,
    Worker,
)


class NoGenerate:
    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="m")

    async def cleanup(self) -> None: ...


class NoStart:
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        yield {"token_ids": []}

    async def cleanup(self) -> None: ...


class StartsWithDict(NoStart):
    async def start(self, worker_id: int) -> dict[str, Any]:
        return {"model": "m"}


class StartIsNotAsync(NoStart):
    def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="m")


class YieldsTokens(NoGenerate):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[int]:
        yield 1


class ReturnsTokens(NoGenerate):
    async def generate(self, request: Request, context: RequestContext) -> list[int]:
        return [1]


class YieldsTokensInAThread(NoGenerate):
    def generate(self, request: Request, context: RequestContext) -> Iterator[int]:
        yield 1


class NoContext(NoGenerate):
    async def generate(self, request: Request) -> AsyncIterator[Chunk]:
        yield {"token_ids": []}


class Incomplete(LLMEngine):
    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="m")


class Unversioned:
    def __dynamo_engine__(self) -> object:
        return self


Worker(NoGenerate())  # error: arg-type
Worker(NoStart())  # error: arg-type
Worker(StartsWithDict())  # error: arg-type
Worker(StartIsNotAsync())  # error: arg-type
Worker(YieldsTokens())  # error: arg-type
Worker(ReturnsTokens())  # error: arg-type
Worker(YieldsTokensInAThread())  # error: arg-type
Worker(NoContext())  # error: arg-type
Worker(Unversioned())  # error: arg-type
Worker(3)  # error: arg-type
Worker()  # error: call-arg
Incomplete()  # error: abstract


class Mistaken(LLMEngine):
    async def start(self, worker_id: int) -> int:  # error: override
        return worker_id

    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        request["tokens"]  # error: typeddict-item
        request["stop_conditions"]["max_token"]  # error: typeddict-item
        if await context.is_stopped():  # error: misc
            yield {"token_ids": "1"}  # error: typeddict-item
        yield {"finish_reason": "stop"}  # error: typeddict-item
        yield {"token_ids": [], "finish_reason": 1}  # error: typeddict-item
        yield {"token_ids": [], "reason": "stop"}  # error: typeddict-unknown-key

    async def cleanup(self) -> None: ...


def load(progress: Progress) -> None:
    progress(0.5)  # error: arg-type
    progress("loading", "half")  # error: arg-type
