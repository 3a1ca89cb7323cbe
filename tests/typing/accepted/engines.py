"""Engines of every style that a worker takes."""

from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from dynamo_backend_common import (
    HEALTH_CHECK_KEY,
    Chunk,
    EngineConfig,
    LLMEngine,
    PrefillResult,
    Progress,
    RawChunk,
    RawEngine,
    RawRequest,
    Request,
    RequestContext,
    Worker,
    WorkerConfig,
    encoder_chunk,
    encoder_result,
    prefill_chunk,
    prefill_request,
    require_encoder_result,
    require_prefill_result,
)
from dynamo_backend_common.engines.echo import Echo


class Typed:
    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="typed", context_length=4096)

    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        budget = request["stop_conditions"].get("max_tokens") or len(request["token_ids"])
        for token in request["token_ids"][:budget]:
            if context.is_stopped():
                yield {"token_ids": [], "finish_reason": "cancelled"}
                return
            yield {"token_ids": [token], "index": 0}
        yield {
            "token_ids": [],
            "finish_reason": "error: out of ideas" if HEALTH_CHECK_KEY in request else "length",
            "completion_usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        }

    async def cleanup(self) -> None: ...


class Arrays(LLMEngine):
    """Takes the prompt as a list, and yields arrays and another engine's finish reason."""

    token_ids_as_list = True

    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="arrays")

    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        yield {"token_ids": array("q", request["token_ids"]), "log_probs": array("f", [-0.5])}
        yield {"token_ids": (), "finish_reason": {"type": "stop", "matched": 2}}

    async def cleanup(self) -> None: ...


class Prefill(Typed):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        clamped: Request = prefill_request(request)
        yield prefill_chunk(clamped["token_ids"][:1], {"blocks": 3})


class Decode(Typed):
    async def generate(
        self, request: Mapping[str, Any], context: RequestContext
    ) -> AsyncIterator[Chunk]:
        result: PrefillResult = require_prefill_result(dict(request))
        yield {"token_ids": result.disaggregated_params["tokens"], "finish_reason": "stop"}


class PlainDicts:
    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="plain")

    async def generate(
        self, request: dict[str, Any], context: RequestContext
    ) -> AsyncGenerator[dict[str, Any], None]:
        yield {"token_ids": request["token_ids"], "finish_reason": "stop"}

    async def cleanup(self) -> None: ...


class ReturnsOne(Typed):
    async def generate(  # type: ignore[override]
        self, request: Request, context: RequestContext
    ) -> Chunk:
        return {"token_ids": request["token_ids"] + [1], "finish_reason": "stop"}


class Synchronous:
    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="synchronous")

    def generate(self, request: Request, context: RequestContext) -> Iterator[Chunk]:
        yield {"token_ids": [2, *request["token_ids"][1:]], "finish_reason": "stop"}

    async def cleanup(self) -> None: ...


class ReturnsAList(LLMEngine):
    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="list")

    def generate(self, request: Request, context: RequestContext) -> list[Chunk]:
        return [
            {"token_ids": list(request["token_ids"])},
            {"token_ids": [], "finish_reason": "stop"},
        ]

    async def cleanup(self) -> None: ...


class Loading:
    async def start(self, worker_id: int, progress: Progress) -> EngineConfig:
        progress("reading the file")
        progress("loading weights", 0.5)
        return EngineConfig(model="loading", runtime_data={"weights": 1})

    def generate(
        self, request: Mapping[str, Any], context: object
    ) -> AsyncIterator[Mapping[str, Any]]:
        raise NotImplementedError

    async def cleanup(self) -> None: ...

    def configure(self, config: WorkerConfig) -> WorkerConfig:
        return config


class Untyped:
    async def start(self, worker_id):  # type: ignore[no-untyped-def]
        return EngineConfig(model="untyped")

    async def generate(self, request, context):  # type: ignore[no-untyped-def]
        yield {"token_ids": [], "finish_reason": "stop"}

    async def cleanup(self):  # type: ignore[no-untyped-def]
        ...


class Derived(LLMEngine):
    async def start(self, worker_id: int, progress: Progress | None = None) -> EngineConfig:
        return EngineConfig(model="derived")

    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        await context.stopped()
        yield {"token_ids": [], "finish_reason": "cancelled", "stop_reason": None}

    async def cleanup(self) -> None: ...

    async def supported_controls(self) -> Sequence[str]:
        return ["sleep"]

    async def validate_engine_control(self, name: str, body: Mapping[str, Any]) -> None: ...

    async def supported_updates(self) -> tuple[str, ...]:
        return ("load_lora",)

    async def engine_update(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"status": "ok"}

    @classmethod
    def from_args(cls, argv: Sequence[str]) -> "Derived":
        return cls()


class Images(RawEngine):
    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="images")

    async def generate(self, request: RawRequest, context: RequestContext) -> RawChunk:
        return {"created": 1, "data": [{"url": str(request["prompt"])}]}

    async def cleanup(self) -> None: ...


class Tensors(Images):
    model_input = "Tensor"

    def generate(  # type: ignore[override]
        self, request: RawRequest, context: RequestContext
    ) -> Iterator[RawChunk]:
        yield {"tensors": []}


class Ranks(RawEngine):
    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="ranks")

    async def generate(
        self, request: RawRequest, context: RequestContext
    ) -> AsyncIterator[list[RawChunk]]:
        yield [{"index": 0, "score": 1.0}]

    async def cleanup(self) -> None: ...


class SaysItself:
    model_input = "Text"

    async def start(self, worker_id: int) -> EngineConfig:
        return EngineConfig(model="itself")

    async def generate(
        self, request: dict[str, Any], context: RequestContext
    ) -> AsyncIterator[dict[str, Any]]:
        yield {"data": []}

    async def cleanup(self) -> None: ...


class Encodes(Typed):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        yield encoder_chunk({"handle": encoder_result(request)})


class TakesOver(Typed):
    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        handle: int = require_encoder_result(request)["handle"]
        yield {"token_ids": [handle], "finish_reason": "stop"}


Worker(Images(), WorkerConfig(endpoint_types="images", model_input="Text"))
Worker(Tensors(), WorkerConfig(endpoint_types="tensor"))
Worker(Ranks(), WorkerConfig(endpoint_types="rerank"))
Worker(SaysItself())
Worker(Encodes(), WorkerConfig(disaggregation_mode="Encode"))
Worker(TakesOver(), WorkerConfig(route_to_encoder=True, media_decoder={"image": {}}))


class Compiled:
    def __dynamo_engine__(self, version: int) -> object:
        return version


Worker(Compiled())
Worker(ReturnsOne())
Worker(Synchronous())
Worker(ReturnsAList())
Worker(Typed())
Worker(PlainDicts())
Worker(Loading())
Worker(Untyped())
Worker(Derived())
Worker(Echo())
