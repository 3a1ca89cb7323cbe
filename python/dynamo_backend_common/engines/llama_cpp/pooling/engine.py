"""The engine of vectors and scores: it takes requests as clients send them."""

from __future__ import annotations

import asyncio
import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

from ....config import EngineConfig, WorkerConfig
from ....exceptions import InvalidArgument
from ....raw import RawEngine
from ..binding.pooled_model import PooledModel
from ..lifecycle import Lifecycle
from ..metrics import pooling_metrics_text
from ..options import Options
from .batches import Batches, TextsLoad
from .embeddings import Embeddings
from .reranking import Reranking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from ...._core import RequestContext
    from ....publish import MetricsContext
    from ....raw import RawChunk

_TOKENS_ENDPOINTS = {field.name: field.default for field in dataclasses.fields(WorkerConfig)}[
    "endpoint_types"
]
# One of them has the classifier of a reranker.
_CLASSIFIERS = {"cls.weight", "cls.output.weight"}


class LlamaCppPooling(Lifecycle[PooledModel, Batches], RawEngine):
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
        super().__init__(Options.of(options))
        if not (self._options.embeddings or self._options.reranking):
            raise InvalidArgument("LlamaCppPooling needs embeddings or reranking, which are False")
        self._read: Callable[[Mapping[str, Any], PooledModel], Embeddings | Reranking] = (
            Reranking.read if self._options.reranking else Embeddings.read
        )
        self._readings: set[asyncio.Future[Any]] = set()

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

    def _config(self, _: PooledModel) -> EngineConfig:
        name = self._source.file.name
        return EngineConfig(model=name, served_model_name=name)

    def _begin(self, loaded: PooledModel) -> Batches:
        batches = Batches(loaded, self._counts)
        batches.start()
        return batches

    def _load(self, proceed: Callable[..., bool]) -> PooledModel:
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

    async def health_check_payload(self) -> dict[str, Any] | None:
        """A request with one short text."""
        if self._options.reranking:
            return {"query": "a", "documents": ["a"]}
        return {"input": "a"}

    async def setup_metrics(self, ctx: MetricsContext) -> None:
        """Shows the engine's metrics."""
        labels = ctx.metrics.labels
        ctx.metrics.register_text(
            lambda: pooling_metrics_text(counts=self._counts, load=self.load, labels=labels)
        )

    async def _join(self) -> None:
        if self._readings:
            await asyncio.wait(self._readings)

    @property
    def load(self) -> TextsLoad:
        """What the engine is busy with; all zero while it is not running."""
        # Asked by any thread, while it falls asleep too.
        batches = self._loop
        return TextsLoad(running=0, waiting=0) if batches is None else batches.load
