"""An engine that sleeps without its weights, and whose weights can be replaced while it serves.

    cd examples
    DYN_SYSTEM_PORT=9090 dynamo-backend serve controls:Weighty --http-port 8000 \
        --model-name HuggingFaceTB/SmolLM2-135M-Instruct
    curl -X POST http://127.0.0.1:9090/engine/sleep
    curl -X POST http://127.0.0.1:9090/engine/wake_up
    curl -X POST http://127.0.0.1:9090/engine/load_weights \
        -H 'Content-Type: application/json' -d '{"step": 1}'

Its weights are a table with the next token for each token: the same one, or the one that is
``step`` further.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dynamo_backend_common import EngineConfig, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from dynamo_backend_common import Chunk, Request, RequestContext

VOCABULARY = 49152


class Weighty:
    """Answers with the prompt, token by token through its table."""

    def __init__(self) -> None:
        """`start` loads the table."""
        self.step = 0
        self.table: list[int] | None = None

    async def start(self, worker_id: int) -> EngineConfig:
        """Loads the table, in a thread, as loading real weights takes long."""
        self.table = await asyncio.to_thread(load, self.step)
        return EngineConfig(model="weighty", context_length=4096)

    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        """Answers one request, to its end with the weights that were there at its beginning."""
        table = self.table
        # While it sleeps the worker sends nothing here.
        assert table is not None
        for token in request["token_ids"]:
            if context.is_stopped():
                yield {"token_ids": [], "finish_reason": "cancelled"}
                return
            if token >= VOCABULARY:
                raise InvalidArgument(
                    f"the prompt has the token {token}, which the model does not have"
                )
            yield {"token_ids": [table[token]]}
        yield {"token_ids": [], "finish_reason": "stop"}

    async def supported_controls(self) -> Sequence[str]:
        """Two with which the worker leaves discovery and comes back, and one of our own."""
        return ["sleep", "wake_up", "load_weights"]

    async def engine_control(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Performs a control; a reply with the status ``error`` says that it did not."""
        match name:
            case "sleep":
                # The worker has left discovery by now, and no request is left.
                self.table = None
                return {"status": "ok"}
            case "wake_up":
                if self.table is None:
                    self.table = await asyncio.to_thread(load, self.step)
                return {"status": "ok"}
            case "load_weights":
                return await self.load_weights(body)
        raise InvalidArgument(f"no control {name}")

    async def load_weights(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Requests that run keep the old table; the next one has the new table."""
        step = body.get("step")
        if not isinstance(step, int):
            return {"status": "error", "message": f"step: {step!r} is no integer"}
        if self.table is None:
            return {"status": "error", "message": "it sleeps; wake it up first"}
        self.table = await asyncio.to_thread(load, step)
        self.step = step
        return {"status": "ok", "step": step}

    async def cleanup(self) -> None:
        """Lets go of the table."""
        self.table = None


def load(step: int) -> list[int]:
    """What takes long with real weights."""
    return [(token + step) % VOCABULARY for token in range(VOCABULARY)]
