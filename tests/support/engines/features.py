"""Engines for what the OpenAI API asks for beside text."""

import asyncio
import json

from latches import case_of, reach
from plain import Plain

from dynamo_backend_common import EngineConfig


class Features(Plain):
    """Log probabilities where they are asked for; the text of a tool call for its case."""

    async def generate(self, request, context):
        if case_of(request) == "tool":
            call = json.dumps({"name": "look_up", "arguments": {"word": "alpha"}})
            yield {"token_ids": [], "text": f"<tool_call>\n{call}\n</tool_call>"}
            yield {"token_ids": [], "finish_reason": "stop"}
            return
        wanted = request["output_options"]["logprobs"]
        for place, token in enumerate(request["token_ids"]):
            chunk = {"token_ids": [token]}
            if wanted is not None:
                own = {"rank": 1, "token_id": token, "logprob": -0.25 * place}
                other = {"rank": 2, "token_id": 504, "logprob": -3.5}
                chunk["log_probs"] = [own["logprob"]]
                chunk["top_logprobs"] = [[own, other][: max(wanted, 1)]]
            yield chunk
        yield {"token_ids": [], "finish_reason": "stop"}


class Watching(Plain):
    """Waits in a task of its own for what a request's context says of its end."""

    def __init__(self):
        self.tasks = set()

    async def generate(self, request, context):
        for name in ("stopped", "killed"):
            self.tasks.add(asyncio.create_task(self.told(name, getattr(context, name)())))
        reach("context", json.dumps({"metadata": context.metadata, "id": context.id}))
        yield {"token_ids": [request["token_ids"][0]]}
        if case_of(request) == "waits":
            await context.stopped()
        yield {"token_ids": [], "finish_reason": "stop"}

    async def told(self, name, future):
        await future
        reach(name)


class Long(Plain):
    """Counts the prompt's tokens, and answers with its last ones."""

    async def start(self, worker_id):
        return EngineConfig(model="long", context_length=1_000_000)

    async def generate(self, request, context):
        tokens = request["token_ids"].tolist()
        reach("prompt", json.dumps([len(tokens), sum(tokens)]))
        yield {"token_ids": tokens[-3:], "finish_reason": "stop"}


class Crowd(Plain):
    """Holds every stream after its first token until all that are expected have theirs.

    How many follows ``--``.
    """

    def __init__(self, expected):
        self.expected = int(expected)
        self.begun = 0
        self.all_are_here = asyncio.Event()

    @classmethod
    def from_args(cls, argv):
        return cls(*argv)

    async def generate(self, request, context):
        first, *rest = request["token_ids"]
        yield {"token_ids": [first]}
        self.begun += 1
        if self.begun == self.expected:
            self.all_are_here.set()
        await (asyncio.Event() if case_of(request) == "stay" else self.all_are_here).wait()
        yield {"token_ids": rest}
        yield {"token_ids": [], "finish_reason": "stop"}
