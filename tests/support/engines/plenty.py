"""An engine that is done long before a slow reader is."""

from latches import passed, reach
from lifecycles import Recorded


class Plenty(Recorded):
    """A token, and when the test lets it, the rest of a long answer at once.

    ``wide`` chunks are few and large: fewer than a worker's writer has places for, and together
    larger than what the kernel takes.
    """

    def __init__(self, argv=()):
        self.chunks, self.tokens, self.wide = (60, 1, True) if argv else (1000, 50, False)

    @classmethod
    def from_args(cls, argv):
        return cls(argv)

    async def generate(self, request, context):
        token = request["token_ids"][0]
        yield {"token_ids": [token]}
        await passed("go")
        chunk = {"token_ids": [token] * self.tokens}
        if self.wide:
            # No frontend reads it of a worker that is no prefill's.
            chunk["disaggregated_params"] = {"wide": "x" * 500_000}
        for _ in range(self.chunks):
            yield chunk
        reach("done")
        yield {"token_ids": [], "finish_reason": "stop"}
