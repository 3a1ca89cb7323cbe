"""The Python engine of the benches, the same for every Python worker.

What a request asks of it travels in ``extra_args``; ``load/src/shape.rs`` writes it.
"""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

# The token of an engine that never waits. The others' tokens are the time of their making.
FREE_TOKEN = 7


class Tokens:
    """Yields tokens; needs no model."""

    def __init__(self) -> None:
        self._steps: dict[int, Steps] = {}

    async def generate(self, request: Any, context: Any) -> AsyncIterator[dict[str, Any]]:
        """Yields chunks of ``chunk`` tokens, at the ``pace`` that the request names."""
        shape = request["extra_args"]
        pace, chunk, apart = shape["pace"], shape["chunk"], shape["apart"]
        left = request["stop_conditions"]["max_tokens"]
        tokens = [FREE_TOKEN] * chunk
        step = None if pace == "free" else self._step_of(pace)
        index = 0
        while left > chunk:
            if step is not None:
                await step()
                tokens = [micros()] * chunk
            left -= chunk
            yield {"token_ids": tokens, "index": index}
            if apart:
                index ^= 1
        if step is not None:
            await step()
            tokens = [micros()] * left
        yield {"token_ids": tokens[:left], "index": index, "finish_reason": "length"}

    async def cleanup(self) -> None:
        """Ends the steps."""
        for steps in self._steps.values():
            steps.task.cancel()

    def _step_of(self, pace: Any) -> Callable[[], Awaitable[None]]:
        if pace == "turns":
            return next_turn
        milliseconds = pace["steps"]
        if milliseconds not in self._steps:
            self._steps[milliseconds] = Steps(milliseconds / 1000)
        return self._steps[milliseconds].next


class Steps:
    """The steps of an engine that makes one every so many seconds, for all its requests."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._made = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def next(self) -> None:
        """Waits for the next step."""
        await self._made.wait()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            made, self._made = self._made, asyncio.Event()
            made.set()


async def next_turn() -> None:
    """Lets every other request have its turn."""
    await asyncio.sleep(0)


def micros() -> int:
    """``CLOCK_MONOTONIC`` in microseconds, its low 32 bits: they fit into a token's id."""
    return time.monotonic_ns() // 1000 & 0xFFFFFFFF


def spin_beside() -> None:
    """Has a thread compute beside the worker for ever, if ``BENCH_SPIN`` is set."""
    if "BENCH_SPIN" in os.environ:
        threading.Thread(target=_spin, daemon=True).start()


def _spin() -> None:
    while True:
        pass
