"""The engine of vectors and scores: it takes requests as clients send them."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from ....config import EngineConfig, WorkerConfig
from ....exceptions import DynamoError, EngineShutdown, InvalidArgument
from ....raw import RawEngine
from ..binding.library import require_library
from ..binding.pooled_model import PooledModel
from ..files.model_source import ModelSource
from ..options import Options
from ..starting import given_up_by
from .batches import Batches
from .embeddings import Embeddings
from .reranking import Reranking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from ...._core import RequestContext
    from ....engine import Progress
    from ....raw import RawChunk

_TOKENS_ENDPOINTS = {field.name: field.default for field in dataclasses.fields(WorkerConfig)}[
    "endpoint_types"
]
# One of them has the classifier of a reranker.
_CLASSIFIERS = {"cls.weight", "cls.output.weight"}


class LlamaCppPooling(RawEngine):
    """Serves a GGUF model's embeddings, or a reranker's scores.

    The texts of all requests share batches. What a text's tokens are is llama.cpp's own to say.
    """

    def __init__(self, **options: Any) -> None:
        """Finds the model file; `start` loads it.

        Args:
            options: What `Options` has, by name, with ``embeddings`` or ``reranking``; what is None
                has its default.

        Raises:
            TypeError: There is no option of such a name.
            InvalidArgument: A value is out of range, or there is no such file.
            ImportError: The extra ``llama-cpp`` is not installed.
        """
        require_library()
        self._options = Options.of(options)
        if not (self._options.embeddings or self._options.reranking):
            raise InvalidArgument("LlamaCppPooling needs embeddings or reranking, which are False")
        self._source = ModelSource(self._options.model, self._options.model_path)
        self._read: Callable[[Mapping[str, Any], PooledModel], Embeddings | Reranking] = (
            Reranking.read if self._options.reranking else Embeddings.read
        )
        self._loading: asyncio.Future[PooledModel] | None = None
        self._model: PooledModel | None = None
        self._batches: Batches | None = None
        self._readings: set[asyncio.Future[Any]] = set()
        self._closing = threading.Event()
        self._cleaning = asyncio.Lock()

    def configure(self, config: WorkerConfig) -> WorkerConfig:
        """Fills in endpoint and name where the operator gave none.

        Raises:
            InvalidArgument: The operator wants other endpoints.
        """
        wanted = "rerank" if self._options.reranking else "embedding"
        if config.endpoint_types not in (_TOKENS_ENDPOINTS, wanted):
            raise InvalidArgument(
                f"endpoint_types is '{config.endpoint_types}'; with these options llama-cpp serves "
                f"'{wanted}'"
            )
        config = dataclasses.replace(config, endpoint_types=wanted)
        if config.served_model_name is None:
            config = dataclasses.replace(config, served_model_name=self._source.name)
        return config

    async def start(
        self,
        worker_id: int,  # noqa: ARG002
        progress: Progress | None = None,
        shutdown: asyncio.Event | None = None,
    ) -> EngineConfig:
        """Fetches and loads the model in a thread, and starts the thread of the batches.

        Raises:
            InvalidArgument: llama.cpp cannot load the file, or it makes no such vectors; or the hub
                has no such model.
            CannotConnect: The hub cannot be reached.
        """
        self._loading = asyncio.ensure_future(asyncio.to_thread(self._load, progress))
        try:
            with given_up_by(shutdown, self._closing):
                # A start that is cancelled leaves the thread to `cleanup`.
                self._model = await asyncio.shield(self._loading)
        except DynamoError:
            if shutdown is None or not shutdown.is_set():
                raise
            return EngineConfig(model=self._source.name or "llama-cpp")
        self._batches = Batches(self._model)
        self._batches.start()
        name = self._source.file.name
        return EngineConfig(model=name, served_model_name=name)

    def _load(self, progress: Progress | None) -> PooledModel:
        proceed = partial(self._proceed, progress)
        file = self._source.fetch(proceed)
        if self._options.reranking and not _CLASSIFIERS & file.metadata.tensors:
            raise InvalidArgument(
                f"'{file.path.name}' is no reranker: it has none of the tensors "
                + ", ".join(sorted(_CLASSIFIERS))
            )
        return PooledModel(file.path, self._options, partial(proceed, f"loading {file.name}"))

    async def generate(
        self, request: Mapping[str, Any], context: RequestContext
    ) -> AsyncIterator[RawChunk | Sequence[RawChunk]]:
        """Serves one request: its answer is one chunk.

        Raises:
            InvalidArgument: The request cannot be served; the message says why.
            EngineShutdown: The engine is not running.
        """
        model, batches = self._started()
        # The model must outlive the thread that asks it for tokens, whoever is cancelled.
        reading = asyncio.ensure_future(asyncio.to_thread(self._read, request, model))
        self._readings.add(reading)
        reading.add_done_callback(self._readings.discard)
        asked = await asyncio.shield(reading)
        texts = batches.submit(asked.texts)
        outcome, stopped = asyncio.wrap_future(texts.outcome), context.stopped()
        ends: list[asyncio.Future[Any]] = [outcome, stopped]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if outcome.done():
                yield await asyncio.to_thread(asked.answer, outcome.result())
        finally:
            stopped.cancel()
            # What nobody waits for is not computed.
            outcome.cancel()

    async def watch(self) -> None:
        """Waits for the thread of the batches, and raises what that fails with."""
        _, batches = self._started()
        await batches.watch()

    async def health_check_payload(self) -> dict[str, Any] | None:
        """A request with one short text."""
        if self._options.reranking:
            return {"query": "a", "documents": ["a"]}
        return {"input": "a"}

    async def cleanup(self) -> None:
        """Ends the thread and frees the model; may be called again, and after a failed start."""
        self._closing.set()
        async with self._cleaning:
            if self._loading is not None:
                await asyncio.wait([self._loading])
                if not self._loading.cancelled() and self._loading.exception() is None:
                    self._model = self._loading.result()
            if self._readings:
                await asyncio.wait(self._readings)
            if self._batches is not None:
                await asyncio.to_thread(self._batches.stop)
            if self._model is not None:
                await asyncio.to_thread(self._model.close)
            self._loading = self._batches = self._model = None

    def _proceed(
        self, progress: Progress | None, message: str, fraction: float | None = None
    ) -> bool:
        """Called while the model is fetched and loaded; False makes that give up."""
        if progress is not None:
            progress(message, fraction)
        return not self._closing.is_set()

    def _started(self) -> tuple[PooledModel, Batches]:
        if self._model is None or self._batches is None or self._closing.is_set():
            raise EngineShutdown("the llama-cpp engine is not running")
        return self._model, self._batches
