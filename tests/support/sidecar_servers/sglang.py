"""SGLang's native gRPC service: answers with the prompt."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from .protos import Protos
from .service import Service, serve
from .told import arguments, echo, say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PACKAGE = "sglang.runtime.v1"
BOOTSTRAP_PORT = 8998


class Sglang:
    """What it answers."""

    def __init__(self, protos: Protos, model: str, mode: str, delay: float) -> None:
        self._protos = protos
        self._model = model
        self._mode = mode
        self._delay = delay

    async def health_check(self, _request: Any) -> Any:
        return self._protos.HealthCheckResponse(healthy=True)

    async def get_model_info(self, _request: Any) -> Any:
        info = json.dumps({"model_path": self._model, "tokenizer_path": self._model})
        return self._protos.GetModelInfoResponse(model_path=self._model, json_info=info)

    async def get_server_info(self, _request: Any) -> Any:
        info = {
            "incremental_streaming_output": True,
            "served_model_name": "sglang",
            "disaggregation_mode": self._mode,
            "disaggregation_bootstrap_port": BOOTSTRAP_PORT,
            "context_length": 512,
            "page_size": 16,
            "max_total_num_tokens": 4096,
            "max_running_requests": 8,
        }
        return self._protos.GetServerInfoResponse(json_info=json.dumps(info))

    async def list_models(self, _request: Any) -> Any:
        card = self._protos.ModelCard(id="sglang", root=self._model, max_model_len=512)
        return self._protos.ListModelsResponse(models=[card])

    async def abort(self, request: Any) -> Any:
        say("abort", request.rid)
        return self._protos.AbortResponse(success=True)

    async def generate(self, request: Any) -> AsyncIterator[Any]:
        prompt = list(request.input_ids)
        most = request.sampling_params.max_new_tokens
        answer = self._protos.GenerateResponse
        async with aclosing(echo(request.rid, request, prompt, most, self._delay)) as tokens:
            async for token in tokens:
                yield answer(output_ids=[token])
        reason = "stop" if len(prompt) < most else "length"
        meta = {"prompt_tokens": len(prompt), "finish_reason": {"type": reason}}
        told = {key: json.dumps(value) for key, value in meta.items()}
        yield answer(meta_info=told, finished=True)


def main() -> None:
    options = arguments()
    protos = Protos(options.protos, PACKAGE, "sglang.proto")
    sglang = Sglang(protos, options.model, options.mode, options.delay)
    service = Service(protos, f"{PACKAGE}.SglangService")
    service.unary("HealthCheck", "HealthCheckRequest", sglang.health_check)
    service.unary("GetModelInfo", "GetModelInfoRequest", sglang.get_model_info)
    service.unary("GetServerInfo", "GetServerInfoRequest", sglang.get_server_info)
    service.unary("ListModels", "ListModelsRequest", sglang.list_models)
    service.unary("Abort", "AbortRequest", sglang.abort)
    service.stream("Generate", "GenerateRequest", sglang.generate)
    asyncio.run(serve(options.port, service))


if __name__ == "__main__":
    main()
