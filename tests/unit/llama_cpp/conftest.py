"""The real model, and what the tests ask of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import llama_cpp
import pytest

from dynamo_backend_common.engines.llama_cpp import LlamaCpp, LlamaCppPooling, Options
from dynamo_backend_common.engines.llama_cpp.binding.model import Model
from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
from dynamo_backend_common.exceptions import InvalidArgument
from dynamo_backend_common.publish import MetricsContext
from dynamo_backend_common.testing import context as made_context
from dynamo_backend_common.testing import request as made_request
from dynamo_backend_common.testing.driven import Driven
from support.bert_files import write_bert
from support.grammar_texts import GrammarTexts

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Awaitable,
        Callable,
        Iterator,
        Mapping,
    )
    from pathlib import Path

    from dynamo_backend_common._core import TestContext

CONTEXT = 512
SLOTS = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "llama_cpp" in item.path.parts:
            item.add_marker(pytest.mark.model)


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
    """Asks an engine as a worker does, without the network."""

    def __init__(self, engine: LlamaCpp) -> None:
        self.engine = engine
        self._driven = Driven(engine)

    def stream(
        self,
        prompt: list[int],
        *,
        stop: dict[str, Any] | None = None,
        sampling: dict[str, Any] | None = None,
        output: dict[str, Any] | None = None,
        context: TestContext | None = None,
        **more: Any,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """A request's chunks, those that are ready together as one; to close it is to hang up."""
        request: dict[str, Any] = {**made_request(prompt, **more)}
        request["stop_conditions"] |= {"max_tokens": 24} | (stop or {})
        request["output_options"] |= output or {}
        known = request["sampling_options"].keys()
        given = sampling or {}
        request["sampling_options"] |= {name: given[name] for name in given.keys() & known}
        # What Dynamo does not know goes by another way, as its frontend passes it on.
        if others := {name: given[name] for name in given.keys() - known}:
            request["extra_args"] = {"sampling_options": others}
        if sampling is not None and "temperature" not in sampling:
            request["sampling_options"]["temperature"] = None
        return self.serve(request, context)

    def serve(
        self, request: Mapping[str, Any], context: TestContext | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """As `stream`, of a request that is whole already."""
        return self._driven.chunks(request, context or made_context())

    async def refusal(self, **parts: Any) -> str:
        """Why the engine itself refuses a request; a worker lets none pass with wrong types."""
        with pytest.raises(InvalidArgument) as caught:
            await self.engine.generate({"token_ids": [1], **parts}, made_context())
        return str(caught.value)

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


@pytest.fixture
def metrics_context() -> Callable[..., MetricsContext]:
    """Makes what `setup_metrics` gets; what is registered there goes into a list."""

    def make(texts: list[Callable[[], str]] | None = None) -> MetricsContext:
        metrics: Any = SimpleNamespace(
            labels={"model": 'a "model"'},
            register_text=([] if texts is None else texts).append,
        )
        return MetricsContext(
            model="m", component="backend", model_load_time_seconds=0.0, metrics=metrics
        )

    return make


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


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of embeddings, without any training."""
    return write_bert(tmp_path_factory.mktemp("bert") / "tiny-bert-f32.gguf")


@pytest.fixture
async def start_pooling(bert: Path) -> AsyncIterator[Callable[..., Awaitable[LlamaCppPooling]]]:
    """Starts an engine of vectors with options of one's own."""
    engines = []

    async def start(**options: Any) -> LlamaCppPooling:
        given = {"model_path": str(bert), "embeddings": True, "threads": 1} | options
        engine = LlamaCppPooling(**given)
        engines.append(engine)
        await engine.start(1)
        return engine

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
