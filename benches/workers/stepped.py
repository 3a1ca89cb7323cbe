"""The engine of the benches as one with a step loop, on a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import Any

from engine import FREE_TOKEN, micros, spin_beside

from dynamo_backend_common import EngineConfig, Steps

# How long a stream whose client is behind is left out.
_PAUSE_SECONDS = 0.001


@dataclass(slots=True)
class Stream:
    id: int
    left: int
    chunk: int
    apart: bool
    index: int = 0
    paused_until: float = 0.0


class Stepped:
    """Hands over the tokens of all its streams in one call a step."""

    def __init__(self) -> None:
        self._steps = Steps()
        self._loops: dict[str, StepLoop] = {}

    async def start(self, worker_id: int) -> EngineConfig:
        spin_beside()
        return EngineConfig(model="bench")

    async def generate(self, request: Any, context: Any) -> Any:
        """Opens a stream in the loop of the pace that the request names."""
        shape = request["extra_args"]
        pace = shape["pace"]
        key = str(pace)
        if key not in self._loops:
            self._loops[key] = StepLoop(self._steps, pace)
        stream = self._steps.open(context)
        left = request["stop_conditions"]["max_tokens"]
        wanted = Stream(stream.id, left, shape["chunk"], shape["apart"])
        self._loops[key].requests.put(wanted)
        return stream

    async def cleanup(self) -> None:
        """The threads are daemons."""


class StepLoop:
    """The loop of one pace."""

    def __init__(self, steps: Steps, pace: Any) -> None:
        self.requests: queue.SimpleQueue[Stream] = queue.SimpleQueue()
        self._steps = steps
        self._free = pace == "free"
        self._seconds = pace["steps"] / 1000 if isinstance(pace, dict) else 0.0
        self._streams: dict[int, Stream] = {}
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            self._admit()
            if not self._free:
                due = max(due + self._seconds, time.monotonic())
                time.sleep(max(0.0, due - time.monotonic()))
                # What came meanwhile has its part of this step.
                self._admit()
            self._step()

    def _admit(self) -> None:
        while not self.requests.empty() or not self._streams:
            stream = self.requests.get()
            self._streams[stream.id] = stream

    def _step(self) -> None:
        now = time.monotonic()
        token = FREE_TOKEN if self._free else micros()
        batch: list[Any] = []
        for stream in list(self._streams.values()):
            if stream.paused_until > now:
                continue
            count = min(stream.chunk, stream.left)
            stream.left -= count
            last = stream.left == 0
            if last:
                del self._streams[stream.id]
            batch.append(
                _apart(stream, token) if stream.apart else _entry(stream.id, token, count, last)
            )
        if not batch:
            time.sleep(_PAUSE_SECONDS)
            return
        report = self._steps.push(batch)
        for stream_id in report.cancelled:
            self._streams.pop(stream_id, None)
        for stream_id in report.stalled:
            if stream_id in self._streams:
                self._streams[stream_id].paused_until = now + _PAUSE_SECONDS


def _entry(stream: int, token: int, count: int, last: bool) -> tuple[Any, ...]:
    tokens = token if count == 1 else [token] * count
    return (stream, tokens, "length") if last else (stream, tokens)


def _apart(stream: Stream, token: int) -> tuple[Any, ...]:
    """A chunk that cannot be joined with the one before: the index alternates."""
    stream.index ^= 1
    chunk: dict[str, Any] = {"token_ids": [token], "index": stream.index}
    if stream.left == 0:
        chunk["finish_reason"] = "length"
    return stream.id, chunk
