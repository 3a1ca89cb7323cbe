"""What an engine's own generator costs: iterated by as many tasks, into a sink that does nothing.

Prints tokens, seconds and CPU nanoseconds of a window as JSON, for the load in its argument.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import uvloop
from engine import Tokens


class Nowhere:
    """Takes chunks as a request's sink does."""

    def __init__(self) -> None:
        self.tokens = 0

    def push(self, chunk: dict[str, Any]) -> None:
        self.tokens += len(chunk["token_ids"])


async def main(load: dict[str, Any]) -> dict[str, float]:
    engine, sink = Tokens(), Nowhere()
    request = {
        "extra_args": {name: load[name] for name in ("pace", "chunk", "apart")},
        "stop_conditions": {"max_tokens": load["output_tokens"]},
    }

    async def stream() -> None:
        push = sink.push
        while True:
            async for chunk in engine.generate(request, None):
                push(chunk)
            # An engine that never waits lets nobody else have a turn.
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(stream()) for _ in range(load["streams"])]
    await asyncio.sleep(load["warm_up"])
    before = (sink.tokens, time.process_time_ns(), time.monotonic())
    await asyncio.sleep(load["window"])
    after = (sink.tokens, time.process_time_ns(), time.monotonic())
    for task in tasks:
        if task.done():
            # It never ends by itself: the engine failed.
            task.result()
        task.cancel()
    await engine.cleanup()
    tokens, nanos, seconds = (end - begin for begin, end in zip(before, after, strict=True))
    return {"tokens": tokens, "cpu_nanos": nanos, "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(main(json.loads(sys.argv[1])))))
