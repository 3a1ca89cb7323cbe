"""Engines that break the contract, each in one way, and the check that is to catch it."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

from dynamo_backend_common import InvalidArgument
from support.good_engines import CANCELLED, STOP, Caching, Good

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from dynamo_backend_common import Chunk, EngineConfig, Request, RequestContext, WorkerConfig

LET_GO = threading.Event()
"""Ends what would keep the process of the tests."""


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


class RefusesToSleep(Good):
    async def validate_engine_control(self, name: str, body: Mapping[str, Any]) -> None:
        if "level" not in body:
            raise InvalidArgument(f"{name}: no level")


class AnyUpdate(Good):
    async def engine_update(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"status": "ok"}


class UpdatesTaints(Good):
    async def supported_updates(self) -> Sequence[str]:
        return ("load_lora", "model_taints")


class RemovesTwice(Caching):
    def replace(self, blocks: list[tuple[int, tuple[int, ...]]]) -> None:
        assert self.publisher is not None
        cached = list(self.cached)
        super().replace(blocks)
        self.publisher.publish_removed(cached)


class StoresTwice(Caching):
    def replace(self, blocks: list[tuple[int, tuple[int, ...]]]) -> None:
        super().replace(blocks + blocks)


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
        threading.Thread(target=self.end.wait, daemon=True).start()
        return super().tokens(request)

    async def cleanup(self) -> None:
        self.end.set()


class OneAtATime(Good):
    def __init__(self) -> None:
        super().__init__()
        self.is_busy = False

    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        if self.is_busy:
            raise InvalidArgument("busy")
        self.is_busy = True
        try:
            async for chunk in super().generate(request, context):
                yield chunk
        finally:
            self.is_busy = False


class LeavesItsThread(Good):
    async def start(self, worker_id: int) -> EngineConfig:
        threading.Thread(target=LET_GO.wait, name="step-loop").start()
        return await super().start(worker_id)


class FailsToStart(Good):
    async def start(self, worker_id: int) -> EngineConfig:
        raise FileNotFoundError("no such model")


class ConfiguresNothing(Good):
    def configure(self, config: WorkerConfig) -> Any:
        """Forgot to return it."""


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


class WatchFails(Good):
    async def watch(self) -> None:
        raise ConnectionResetError("the core is gone")


class LeavesItsTask(Good):
    async def start(self, worker_id: int) -> EngineConfig:
        self.task = asyncio.create_task(self.background())
        return await super().start(worker_id)

    async def background(self) -> None:
        await asyncio.Event().wait()


class Blocks(Good):
    def tokens(self, request: Request) -> Sequence[int]:
        time.sleep(1.0)
        return super().tokens(request)


class BlocksInALibrary(Good):
    def tokens(self, request: Request) -> Sequence[int]:
        subprocess.run(["sleep", "1"], check=True)
        return super().tokens(request)


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
    (UntypedErrors, "errors_are_typed", "an empty prompt reaches the client as Unknown"),
    (BrokenByBadRequest, "serves_after_bad_requests", "the model is gone"),
    (BadProbe, "probe", "token_ids"),
    (FailsItsProbe, "probe", "no probes"),
    (NeverWakes, "controls", "no 'wake_up'"),
    (AnyControl, "controls", "'no_such_control', succeeds"),
    (RefusesToSleep, "controls", "refuses no options: sleep: no level"),
    (AnyUpdate, "updates", "'no_such_update', succeeds"),
    (UpdatesTaints, "updates", "'model_taints' is the worker's own"),
    (StoresTwice, "one_terminal_chunk", "has the hash of block 0"),
    (RemovesTwice, "kv_events", "which is not stored"),
    (LeavesTasks, "no_leaks", "tasks of Event.wait"),
    (LeavesThreads, "no_leaks", "threads Thread-N (wait)"),
    (OneAtATime, "no_leaks", "one that nobody stopped ended with InvalidArgument: busy"),
    (LeavesItsThread, "nothing_is_left", "step-loop"),
    (LeavesItsTask, "nothing_is_left", "LeavesItsTask.background"),
    (WatchFails, "watch", "ConnectionResetError: the core is gone (wrong_engines.py:"),
    (FailsToStart, "start", "FileNotFoundError: no such model"),
    (ConfiguresNothing, "start", "configure returned NoneType"),
    (NoConfig, "start", "EngineConfig"),
    (HalfStarted, "cleanup_after_failed_start", "AttributeError"),
    (CleansUpOnce, "cleanup_twice", "closed already"),
    (FailsToCleanUp, "cleanup", "device busy"),
    (FailsToDrain, "drain", "nobody there"),
    (NeverQuiet, "drain", "is_quiescent says False"),
    (Blocks, "event_loop_is_free", "in Blocks.tokens: time.sleep(1.0)"),
    (BlocksInALibrary, "event_loop_is_free", "in BlocksInALibrary.tokens: subprocess.run("),
]
