"""Tests of an engine."""

from collections.abc import AsyncIterator

from dynamo_backend_common import Chunk, EngineConfig, Request, RequestContext
from dynamo_backend_common.engines.echo import Echo
from dynamo_backend_common.testing import Result, check_engine, collect, context, request


class Mine:
    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="mine")

    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        yield {"token_ids": [], "finish_reason": "stop"}

    async def cleanup(self) -> None: ...


def checked() -> list[str]:
    results: list[Result] = check_engine(Mine, requests=10, timeout=1) + check_engine(Echo())
    return [result.mend for result in results if result.outcome == "failed"]


async def asked() -> int:
    asked_for: Request = request([1], stop_conditions={"max_tokens": 1}, annotations=["a"])
    client = context("one", metadata={"tenant": "blue"})
    client.stop()
    chunks = await collect(Mine(), asked_for, stop_after=1, context=client)
    return len(chunks[0]["token_ids"]) + len(client.id)
