"""A model whose images are encoded by a worker of their own.

    cd examples
    MODEL=Qwen/Qwen2-VL-2B-Instruct    # or any whose chat template has a place for images
    dynamo-backend serve encoder:Encoder --discovery-backend file --model-name $MODEL \
        --component encoder --disaggregation-mode encode &
    dynamo-backend serve encoder:Captions --discovery-backend file --model-name $MODEL \
        --route-to-encoder &
    python -m dynamo.frontend --discovery-backend file

Where a request has images, a frontend asks the encoder first, and sends what that made along with
the request. Both workers have the same namespace and model, and components of their own.

What is handed over here is an image's hash, as tokens: the answer begins with them. With real
models it is where the embeddings are, in memory that the other worker reads.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from dynamo_backend_common import EngineConfig, InvalidArgument, encoder_chunk, encoder_result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dynamo_backend_common import Chunk, Request, RequestContext

VOCABULARY = 1000
MODEL = "captions"


class Encoder:
    """Makes an embedding of each image; no prompt is read here."""

    async def start(self, worker_id: int) -> EngineConfig:
        """Has nothing to load. The name is that of the workers that generate."""
        return EngineConfig(model=MODEL)

    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        """Answers with one chunk."""
        yield encoder_chunk({"embeddings": encode(request)})

    async def cleanup(self) -> None:
        """Has nothing to release."""


class Captions:
    """Answers with the embeddings of the images, and behind them the prompt."""

    async def start(self, worker_id: int) -> EngineConfig:
        """Has nothing to load."""
        return EngineConfig(model=MODEL, context_length=4096)

    async def generate(self, request: Request, context: RequestContext) -> AsyncIterator[Chunk]:
        """Answers one request, with images or without."""
        result = encoder_result(request)
        # Without a result, as where the encoder failed, the images are its own to encode.
        embeddings = encode(request) if result is None else result["embeddings"]
        for token in (*embeddings, *request["token_ids"]):
            if context.is_stopped():
                yield {"token_ids": [], "finish_reason": "cancelled"}
                return
            yield {"token_ids": [token]}
        yield {"token_ids": [], "finish_reason": "stop"}

    async def cleanup(self) -> None:
        """Has nothing to release."""


def encode(request: Request) -> list[int]:
    """Of each image a token."""
    images = (request.get("multi_modal_data") or {}).get("image_url", [])
    tokens = []
    for image in images:
        if "Url" not in image:
            raise InvalidArgument("image_url: only URLs are accepted")
        digest = hashlib.sha256(image["Url"].encode()).digest()
        tokens.append(int.from_bytes(digest[:4], "big") % VOCABULARY)
    return tokens
