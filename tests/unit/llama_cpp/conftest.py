"""The real model, and what the tests ask of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

llama_cpp = pytest.importorskip("llama_cpp", reason="needs the extra llama-cpp")

from dynamo_backend_common.engines.llama_cpp import LlamaCpp, Options  # noqa: E402
from dynamo_backend_common.engines.llama_cpp.binding import Model  # noqa: E402
from dynamo_backend_common.engines.llama_cpp.model_file import ModelFile  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

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

    def stream(
        self,
        prompt: list[int],
        *,
        stop: dict[str, Any] | None = None,
        sampling: dict[str, Any] | None = None,
        output: dict[str, Any] | None = None,
        context: Context | None = None,
        **more: Any,
    ) -> Any:
        request = {
            "token_ids": prompt,
            "stop_conditions": {"max_tokens": 24} | (stop or {}),
            "sampling_options": {"temperature": 0.0} if sampling is None else sampling,
            "output_options": output or {},
            **more,
        }
        return self.engine.generate(request, context or Context())

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
async def client() -> AsyncIterator[Client]:
    # One thread: two of them are slow where other processes want the processors too.
    engine = LlamaCpp(context_length=CONTEXT, max_num_seqs=SLOTS, threads=1)
    await engine.start(1)
    yield Client(engine)
    await engine.cleanup()


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
