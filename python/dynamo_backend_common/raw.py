"""Engines that take requests as clients send them: images, videos, speech, embeddings.

Such an engine says so by its attribute ``model_input``; `RawEngine` is a base class that does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from .exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence

    from ._core import RequestContext
    from .config import EngineConfig
    from .publish import MetricsBindings, MetricsContext

__all__ = ["RawChunk", "RawEngine", "RawRequest"]

RawRequest: TypeAlias = dict[str, Any]
"""A request as the frontend had it: what its client sent, read, with the frontend's defaults.

What a client sends to an endpoint of images, videos or speech beyond what Dynamo knows is in
``request["extra_args"]["media_passthrough"]``. A probe has `HEALTH_CHECK_KEY`.
"""

RawChunk: TypeAlias = "Mapping[str, Any]"
"""A piece of an answer, of the shape that the request's endpoint answers with.

That of ``rerank`` is a list of such, which a generator yields: a list that is returned is one of
chunks.
"""


class RawEngine(ABC):
    """Base class for an engine that takes requests as clients send them, and answers in JSON.

    No tokenizer and no template stands before it, so ``model_name`` is a name only. Which
    endpoints it serves, the worker's ``endpoint_types`` say: mostly one, as a request does not say
    by which it came. It is written, runs and ends as an `LLMEngine` does, and each hook means what
    it means there. There are no ``kv_event_sources``, ``is_quiescent`` and
    ``on_adapter_cards``, and no part in prefill and decode. `Steps` hand over tokens only.

    An engine need not inherit from this: ``model_input = "Text"`` says the same of any class.

    Attributes:
        model_input: ``Text``: a client's request to an OpenAI endpoint; ``Tensor``: a request of
            KServe's inference protocol. A `WorkerConfig` may leave it at its default.
    """

    model_input: ClassVar[Literal["Text", "Tensor"]] = "Text"

    @abstractmethod
    async def start(self, worker_id: int) -> EngineConfig:
        """Loads what ``generate`` needs; see `LLMEngine.start`.

        What an `EngineConfig` says of tokens and KV blocks is of no use here.
        """

    @abstractmethod
    def generate(
        self, request: RawRequest, context: RequestContext
    ) -> (
        AsyncIterator[RawChunk | Sequence[RawChunk]]
        | Awaitable[RawChunk | Sequence[RawChunk]]
        | Iterable[RawChunk | Sequence[RawChunk]]
        | RawChunk
    ):
        """Serves one request, in any of the forms of `LLMEngine.generate`.

        It yields the answer, a dict of what JSON can hold, for ``rerank`` a list of such, or
        several of them where the endpoint streams; one at least. The answer ends where the
        generator ends, by itself or by an error, as no chunk is marked as the last. When
        ``context.is_stopped()`` turns true it ends early.

        Args:
            request: The request, a dict.
            context: Identity and cancellation of the request.
        """

    @abstractmethod
    async def cleanup(self) -> None:
        """Releases everything; see `LLMEngine.cleanup`."""

    async def abort(self, context: RequestContext) -> None:  # noqa: B027 (optional)
        """The request was stopped or killed: free what it holds. Does nothing by default."""

    async def watch(self) -> None:  # noqa: B027 (optional)
        """Raises when the engine can serve no more; see `LLMEngine.watch`."""

    async def drain(self) -> None:  # noqa: B027 (optional)
        """Called once in shutdown, before ``cleanup``; a failure is logged only."""

    async def setup_metrics(self, ctx: MetricsContext) -> MetricsBindings | None:
        """Called once after ``start``: the place to set up metrics. None by default."""
        return None

    async def health_check_payload(self) -> Mapping[str, Any] | None:
        """The request of the health canary; None, no canary, by default.

        It has to be cheap: ``generate`` gets it with the key `HEALTH_CHECK_KEY`. An answer is a
        sign of health, an error or none is not.
        """
        return None

    async def supported_controls(self) -> Sequence[str]:
        """Names of its controls; see `LLMEngine.supported_controls`."""
        return ()

    async def validate_engine_control(  # noqa: B027 (optional)
        self, name: str, body: Mapping[str, Any]
    ) -> None:
        """Raises if a control would not be accepted; see `LLMEngine.validate_engine_control`."""

    async def engine_control(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Performs a control; see `LLMEngine.engine_control`."""
        raise InvalidArgument(f"{type(self).__name__} supports no control '{name}'")

    async def supported_updates(self) -> Sequence[str]:
        """Names of its updates; see `LLMEngine.supported_updates`."""
        return ()

    async def engine_update(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Performs an update; see `LLMEngine.engine_update`."""
        raise InvalidArgument(f"{type(self).__name__} supports no update '{name}'")
