"""What one crossing of the border costs on the event loop's thread, in nanoseconds.

``python benches/micro/boundary.py`` serves a bridge of its own in the place of the package's, so
that what it times is the compiled module alone: a request's way into Python, and a chunk's out.
Every figure is the median of the repetitions. A table in Markdown is the result.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any

from dynamo_backend_common import EngineConfig, RuntimeConfig, WorkerConfig
from dynamo_backend_common._core import WorkerCore, log_to_stderr, prepare
from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
from dynamo_backend_common.engines.llama_cpp.files.model_folder import model_folder

if TYPE_CHECKING:
    from collections.abc import Callable

PROMPTS = (128, 8_000, 128_000)
REPETITIONS = 60
BATCH = 60  # fewer than a buffer holds

rows: list[tuple[str, float]] = []


def record(name: str, nanoseconds: list[float]) -> None:
    rows.append((name, statistics.median(nanoseconds)))


def timed(name: str, call: Callable[[], Any], times: int = 1000) -> None:
    """The time of ``call``, less that of calling nothing."""
    found = []
    for _ in range(REPETITIONS):
        start = time.perf_counter_ns()
        for _ in range(times):
            call()
        found.append((time.perf_counter_ns() - start) / times)
    record(name, found)


class Bridge:
    """Answers the core's calls as the package's bridge does, and measures in between."""

    token_ids_as_list = False

    def __init__(self) -> None:
        self.drains: dict[int, list[float]] = {}
        self.entered = 0
        self.task: asyncio.Task[None] | None = None

    async def start(self, _: int) -> EngineConfig:
        return EngineConfig(model="bench", context_length=200_000)

    def serve(self, request: dict[str, Any], context: Any, sink: Any) -> Any:
        length = len(request["token_ids"])
        self.drains.setdefault(length, []).append(time.perf_counter_ns() - self.entered)
        work = self.push(request, context, sink) if length == 1 else self.end(sink)
        self.task = asyncio.get_running_loop().create_task(work)
        return self.task

    async def end(self, sink: Any) -> None:
        sink.push({"token_ids": [], "finish_reason": "stop"})

    async def push(self, request: dict[str, Any], context: Any, sink: Any) -> None:
        chunks = {
            "push, one token": lambda: {"token_ids": [7]},
            "push, one token and index": lambda: {"token_ids": [7], "index": 0},
            "push, 20 tokens": lambda: {"token_ids": [7] * 20},
            "push, a tuple of 20 tokens": lambda: {"token_ids": (7,) * 20},
            "push, one token with its probability": lambda: {"token_ids": [7], "log_probs": [-0.5]},
            "push, one token with usage": lambda: {
                "token_ids": [7],
                "completion_usage": {
                    "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3,
                },
            },
        }  # fmt: skip
        for name, make in chunks.items():
            found = []
            for _ in range(REPETITIONS):
                batch = [make() for _ in range(BATCH)]
                while (pushed := sink.push({"token_ids": [7]})) is None:
                    pass
                await pushed
                await asyncio.sleep(0.005)
                start = time.perf_counter_ns()
                for chunk in batch:
                    pushed = sink.push(chunk)
                found.append((time.perf_counter_ns() - start) / BATCH)
                if pushed is not None:
                    raise RuntimeError(f"{name}: {pushed!r}")
            record(name, found)
        timed("context.is_stopped()", context.is_stopped)
        tokens = request["token_ids"]
        if not isinstance(tokens, list):
            timed("len(token_ids)", lambda: len(tokens))
        timed("context.stopped()", context.stopped, 100)

    def __getattr__(self, name: str) -> Any:
        async def nothing(*_: Any, **__: Any) -> Any:
            return () if name in ("kv_event_sources", "supported_controls") else None

        return nothing


def ask(port: int, length: int) -> None:
    body = {"model": "bench", "prompt": [504] * length, "stream": length == 1}
    body["max_tokens"] = 100_000 if length == 1 else 8
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/completions",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        answer.read()


def conversions(request: Any) -> None:
    tokens = request["token_ids"]
    length = len(tokens)
    times = max(2, 100_000 // length)
    timed(f"list(token_ids), {length:,}", lambda: list(tokens), times)
    try:
        import numpy as np
    except ImportError:
        return
    timed(f"numpy.asarray(token_ids), {length:,}", lambda: np.asarray(tokens), times)


async def main(port: int) -> None:
    bridge = Bridge()
    config = WorkerConfig(
        model_name=str(model_folder(ModelFile())), runtime=RuntimeConfig(discovery_backend="mem")
    )
    serving = asyncio.Event()
    core = WorkerCore(
        bridge,
        "bench",
        config,
        http=("127.0.0.1", port),
        on_state=lambda state: serving.set() if state == "Serving" else None,
    )
    prepare([core], None)
    loop = asyncio.get_running_loop()
    inbox, done = core.serve(loop)

    def drain() -> None:
        bridge.entered = time.perf_counter_ns()
        inbox.drain()

    loop.add_reader(inbox, drain)
    await serving.wait()
    gc.collect()
    for length in PROMPTS:
        for _ in range(REPETITIONS if length < 100_000 else 12):
            await asyncio.to_thread(ask, port, length)
            await asyncio.sleep(0.002)
        record(f"request with {length:,} tokens, into Python", bridge.drains[length][2:])
    held: list[Any] = []
    original = bridge.serve
    bridge.serve = lambda request, context, sink: (  # type: ignore[method-assign]
        held.append(request) or original(request, context, sink)
    )
    for length in PROMPTS:
        await asyncio.to_thread(ask, port, length)
        conversions(held[-1])
    threading.Thread(target=ask, args=(port, 1), daemon=True).start()
    while len(bridge.drains.get(1, ())) == 0:  # noqa: ASYNC110 (a thread asks)
        await asyncio.sleep(0.01)
    assert bridge.task is not None
    await bridge.task
    core.shutdown()
    await done
    loop.remove_reader(inbox)
    core.release()


log_to_stderr()
asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 18_765))
print("| what | ns |\n|---|---:|")
for name, nanoseconds in rows:
    print(f"| {name} | {nanoseconds:,.0f} |")
