"""The real model, and what the tests ask of it."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import llama_cpp
import pytest

from dynamo_backend_common.engines.llama_cpp import LlamaCpp, Options
from dynamo_backend_common.engines.llama_cpp.binding.model import Model
from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
from support.grammar_texts import GrammarTexts

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Awaitable,
        Callable,
        Iterable,
        Iterator,
    )

CONTEXT = 512
SLOTS = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "llama_cpp" in item.path.parts:
            item.add_marker(pytest.mark.model)


class Context:
    """A request's context that can be stopped."""

    def __init__(self) -> None:
        self.stopped = False

    def is_stopped(self) -> bool:
        return self.stopped


class DirectStream:
    """One request's stream where no worker is between engine and client."""

    def __init__(self, number: int, context: Any) -> None:
        self.id = number
        self.context = context
        self.abandoned = False
        self.ended = False
        self.unread: deque[Any] = deque()
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return not self.ended

    def put(self, item: Any) -> None:
        self.unread.append(item)
        self._loop.call_soon_threadsafe(self._more.set)

    async def next(self) -> Any:
        while not self.unread:
            self._more.clear()
            await self._more.wait()
        return self.unread.popleft()


class DirectSteps:
    """`Steps` where no worker is: by the same rules, but clients are tasks of the event loop.

    ``test_stand_in.py`` holds the two together.

    Attributes:
        pushes: Of each push, the name of its thread and the number of streams.
    """

    CAPACITY = 8

    def __init__(self) -> None:
        self.pushes: list[tuple[str, int]] = []
        self._streams: dict[int, DirectStream] = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._failed: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        with self._lock:
            self._failed = error
            for stream in list(self._streams.values()):
                self._put(stream, error)

    def open(self, context: Any) -> DirectStream:
        with self._lock:
            if self._failed is not None:
                raise self._failed
            stream = DirectStream(next(self._ids), context)
            self._streams[stream.id] = stream
            return stream

    def wait(self) -> SimpleNamespace:
        time.sleep(0.001)
        return self._report([])

    def wake(self) -> None: ...

    def push(self, step: Iterable[Any]) -> SimpleNamespace:
        entries = list(step)
        self.pushes.append((threading.current_thread().name, len(entries)))
        return self._report(entries)

    def _report(self, entries: list[Any]) -> SimpleNamespace:
        with self._lock:
            report = SimpleNamespace(cancelled=[], stalled=[])
            for number, what, *end in entries:
                if number in self._streams:
                    self._put(self._streams[number], what, *end)
                else:
                    report.cancelled.append(number)
            for number, stream in list(self._streams.items()):
                if stream.abandoned or stream.context.is_stopped():
                    self._put(stream, [], "cancelled")
                    report.cancelled.append(number)
                elif len(stream.unread) >= self.CAPACITY:
                    report.stalled.append(number)
            return report

    def __len__(self) -> int:
        with self._lock:
            return len(self._streams)

    def _put(self, stream: DirectStream, what: Any, *end: Any) -> None:
        if isinstance(what, (dict, BaseException)):
            item = what
        else:
            item = {"token_ids": what}
            item |= dict(zip(("finish_reason", "completion_usage"), end, strict=False))
        stream.put(item)
        if isinstance(item, BaseException) or "finish_reason" in item:
            del self._streams[stream.id]
            stream.ended = True


@dataclass
class Output:
    """All that a request produced."""

    chunks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def tokens(self) -> list[int]:
        return [token for chunk in self.chunks for token in chunk["token_ids"]]

    @property
    def reason(self) -> str:
        reasons = [chunk["finish_reason"] for chunk in self.chunks if "finish_reason" in chunk]
        assert len(reasons) == 1
        assert "finish_reason" in self.chunks[-1]
        return str(reasons[0])


class Client:
    """Asks an engine."""

    def __init__(self, engine: LlamaCpp) -> None:
        self.engine = engine

    @property
    def steps(self) -> DirectSteps:
        steps = self.engine._steps
        assert isinstance(steps, DirectSteps)
        return steps

    def stream(
        self,
        prompt: list[int],
        *,
        stop: dict[str, Any] | None = None,
        sampling: dict[str, Any] | None = None,
        output: dict[str, Any] | None = None,
        context: Context | None = None,
        **more: Any,
    ) -> AsyncGenerator[dict[str, Any], None]:
        request = {
            "token_ids": prompt,
            "stop_conditions": {"max_tokens": 24} | (stop or {}),
            "sampling_options": {"temperature": 0.0} if sampling is None else sampling,
            "output_options": output or {},
            **more,
        }
        return self.serve(request, context)

    async def serve(
        self, request: dict[str, Any], context: Context | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Reads a request's stream; who closes the generator has hung up."""
        stream: Any = await self.engine.generate(request, context or Context())  # type: ignore[arg-type]
        try:
            while True:
                item = await stream.next()
                if isinstance(item, BaseException):
                    raise item
                yield item
                if "finish_reason" in item:
                    return
        finally:
            stream.abandoned = True

    async def ask(self, prompt: list[int], **options: Any) -> Output:
        return Output([chunk async for chunk in self.stream(prompt, **options)])

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for a state; the test's time limit ends a wait in vain."""
        while not condition():  # noqa: ASYNC110 (the state is another thread's)
            await asyncio.sleep(0.005)


@pytest.fixture(scope="session")
def model_file() -> ModelFile:
    return ModelFile()


@pytest.fixture(scope="session")
def reference(model_file: ModelFile) -> Iterator[Any]:
    """llama-cpp-python's own interface to the same file."""
    llama = llama_cpp.Llama(
        str(model_file.path), n_ctx=2 * CONTEXT, n_threads=1, n_threads_batch=1, verbose=False
    )
    yield llama
    llama.close()


@pytest.fixture(scope="session")
def tokenize(reference: Any) -> Callable[[str], list[int]]:
    def ids(text: str) -> list[int]:
        tokens: list[int] = reference.tokenize(text.encode(), add_bos=False, special=True)
        return tokens

    return ids


@pytest.fixture(scope="session")
def chat(tokenize: Callable[[str], list[int]]) -> Callable[[str], list[int]]:
    """The prompt of a chat with one question."""
    return lambda question: tokenize(
        f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.fixture(scope="session")
def greedy(reference: Any) -> Callable[[list[int], int], list[int]]:
    """Greedy output of llama-cpp-python's own completion, without the token that ends it."""

    def tokens(prompt: list[int], count: int) -> list[int]:
        found: list[int] = []
        # Else it keeps what it knows of an earlier prompt that begins alike, and rounds otherwise.
        reference.reset()
        reference._ctx.kv_cache_clear()
        for token in reference.generate(prompt, temp=0.0, repeat_penalty=1.0, reset=True):
            if len(found) == count or token == reference.token_eos():
                break
            found.append(token)
        return found

    return tokens


@pytest.fixture(autouse=True)
def direct_steps(monkeypatch: pytest.MonkeyPatch) -> type[DirectSteps]:
    """Every engine of a test pushes to its clients directly."""
    monkeypatch.setattr("dynamo_backend_common.engines.llama_cpp.engine.Steps", DirectSteps)
    return DirectSteps


@pytest.fixture
def make_context() -> type[Context]:
    return Context


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    """Starts an engine with options of one's own."""
    engines = []

    async def start(**options: Any) -> Client:
        # One thread: two of them are slow where other processes want the processors too.
        engine = LlamaCpp(**{"context_length": CONTEXT, "threads": 1} | options)
        engines.append(engine)
        await engine.start(1)
        return Client(engine)

    yield start
    for engine in engines:
        await engine.cleanup()


@pytest.fixture
async def client(start: Callable[..., Awaitable[Client]]) -> Client:
    return await start(max_num_seqs=SLOTS)


@pytest.fixture(scope="session")
def model(model_file: ModelFile) -> Iterator[Model]:
    """The model for tests that make their steps themselves."""
    options = Options(
        context_length=CONTEXT,
        max_num_seqs=SLOTS,
        max_num_batched_tokens=256,
        prefill_chunk=32,
        threads=1,
    )
    loaded = Model(model_file.path, options)
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def grammar_texts(model: Model) -> GrammarTexts:
    """What grammars allow, for the real model's vocabulary."""
    return GrammarTexts(model)
