"""An engine that never runs out of tokens."""

from lifecycles import Recorded


class Endless(Recorded):
    async def generate(self, request, context):
        while True:
            yield {"token_ids": request["token_ids"] * 16}
