"""An engine that takes a moment for each token, as a model does."""

import asyncio

from plain import Plain


class Paced(Plain):
    async def generate(self, request, context):
        for token in request["token_ids"]:
            await asyncio.sleep(0.01)
            yield {"token_ids": [token]}
        yield {"token_ids": [], "finish_reason": "stop"}
