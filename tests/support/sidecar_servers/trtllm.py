"""TensorRT-LLM's OpenEngine services: answers with the prompt."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from .protos import Protos
from .service import Service, serve
from .told import arguments, echo, say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PACKAGE = "openengine.v1"


class Trtllm:
    """What it answers."""

    def __init__(self, protos: Protos, model: str, delay: float) -> None:
        self._protos = protos
        self._model = model
        self._delay = delay
        self._aborted = protos.AbortResponse.DESCRIPTOR.fields_by_name["status"].enum_type

    async def get_model_info(self, _request: Any) -> Any:
        return self._protos.ModelInfo(model_id=self._model, max_context_length=512)

    async def abort(self, request: Any) -> Any:
        say("abort", request.request_id)
        status = self._aborted.values_by_name["ABORT_STATUS_ABORTED"].number
        return self._protos.AbortResponse(status=status)

    async def generate(self, request: Any) -> AsyncIterator[Any]:
        prompt = list(request.token_ids.ids)
        most = request.stopping.max_tokens
        if request.extra.fields["request_type"].string_value == "context_only":
            async for part in self._prefill(request, prompt):
                yield part
            return
        answer = self._protos.GenerateResponse
        async with aclosing(echo(request.request_id, request, prompt, most, self._delay)) as tokens:
            async for token in tokens:
                output = {"output_index": 0, "tokens": [{"token_id": token}]}
                yield answer(request_id=request.request_id, token=output)
        count = min(most, len(prompt))
        finished = {"output_index": 0, "reason": 1 if count < most else 2}
        usage = {"prompt_tokens": len(prompt), "completion_tokens": count}
        usage["total_tokens"] = sum(usage.values())
        yield answer(request_id=request.request_id, finished=finished, usage=usage)

    async def _prefill(self, request: Any, prompt: list[int]) -> AsyncIterator[Any]:
        """The first token and a session, by which the decode finds what was prefilled."""
        async with aclosing(echo(request.request_id, request, prompt, 1, self._delay)) as tokens:
            async for _token in tokens:
                session = {
                    "session_id": f"session-{len(prompt)}",
                    "transfer_backend": "test",
                    "attributes_struct": {"opaque_state": "c3RhdGU="},
                }
                yield self._protos.GenerateResponse(
                    request_id=request.request_id, prefill_ready={"kv_session": session}
                )


def main() -> None:
    options = arguments()
    protos = Protos(options.protos, PACKAGE, "openengine/v1/openengine.proto")
    trtllm = Trtllm(protos, options.model, options.delay)
    control = Service(protos, f"{PACKAGE}.Control")
    control.unary("GetModelInfo", "GetModelInfoRequest", trtllm.get_model_info)
    control.unary("Abort", "AbortRequest", trtllm.abort)
    inference = Service(protos, f"{PACKAGE}.Inference")
    inference.stream("Generate", "GenerateRequest", trtllm.generate)
    asyncio.run(serve(options.port, control, inference))


if __name__ == "__main__":
    main()
