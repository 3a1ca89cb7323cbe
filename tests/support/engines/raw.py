"""Engines that take requests as clients send them, for what the tests ask for."""

import json

from latches import passed, reach

from dynamo_backend_common import (
    EngineConfig,
    InvalidArgument,
    RawEngine,
    ResponseTimeout,
)


class Lengths(RawEngine):
    """Embeds a text as its length. The text may name a case."""

    def __init__(self):
        self.probes = 0

    async def start(self, worker_id):
        return EngineConfig(model="lengths")

    async def generate(self, request, context):
        if request.get("_HEALTH_CHECK"):
            self.probes += 1
            reach("probed", json.dumps(request))
        case = request["input"]
        reach(f"asked-{case}", json.dumps(request))
        if case == "waiting":
            try:
                await passed("go-on")
            finally:
                reach("waiting-finally")
        elif case == "refused":
            raise InvalidArgument("no such text")
        elif case == "late":
            raise ResponseTimeout("the device answers no more")
        elif case == "crash":
            raise ZeroDivisionError("by zero")
        elif case == "nothing":
            return
        elif case == "bytes":
            yield {"data": [{"embedding": b"raw"}]}
            return
        elif case == "list":
            yield [1, 2]
            return
        yield embedded(case)

    async def abort(self, context):
        reach("aborted")

    async def health_check_payload(self):
        return {"input": "is it well?"}

    async def cleanup(self):
        reach("cleanup")


class Plainly:
    """Of no base class, and synchronous."""

    model_input = "text"

    async def start(self, worker_id):
        return EngineConfig(model="plainly")

    def generate(self, request, context):
        return embedded(request["input"])

    async def cleanup(self):
        pass


class Talks(RawEngine):
    """Chats without a tokenizer: says back what was said last."""

    async def start(self, worker_id):
        return EngineConfig(model="talks")

    async def generate(self, request, context):
        reach("chat", json.dumps(request))
        said = request["messages"][-1]["content"]
        for place, word in enumerate(said.split()):
            yield self.chunk(context, {"role": "assistant", "content": f"{word} "}, place=place)
        yield self.chunk(context, {}, finish_reason="stop")

    def chunk(self, context, delta, place=0, finish_reason=None):
        return {
            "id": context.id,
            "object": "chat.completion.chunk",
            "created": 1700000000 + place,
            "model": "talks",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        }

    async def cleanup(self):
        pass


class Adds(RawEngine):
    """Adds the numbers of a tensor."""

    model_input = "Tensor"

    async def start(self, worker_id):
        return EngineConfig(model="adds")

    async def generate(self, request, context):
        reach("tensor", json.dumps(request))
        numbers = request["tensors"][0]["data"]["values"]
        yield {
            "model": "adds",
            "tensors": [
                {
                    "metadata": {"name": "sum", "data_type": "Int32", "shape": [1]},
                    "data": {"data_type": "Int32", "values": [sum(numbers)]},
                }
            ],
        }

    async def cleanup(self):
        pass


class Operated(Lengths):
    """Has what operators call, as an engine that takes tokens may."""

    async def supported_controls(self):
        return ("sleep", "wake_up")

    async def validate_engine_control(self, control, body):
        if not isinstance(body.get("level", 1), int):
            raise InvalidArgument("level: no number")

    async def engine_control(self, control, body):
        reach(f"control-{control}")
        return {"status": "ok"}

    async def supported_updates(self):
        return ("weights",)

    async def engine_update(self, update, body):
        return {"loaded": body["path"]}

    async def drain(self):
        reach("drain")


def embedded(text):
    return {
        "object": "list",
        "model": "lengths",
        "data": [{"object": "embedding", "index": 0, "embedding": [float(len(text)), 0.5]}],
        "usage": {"prompt_tokens": len(text), "total_tokens": len(text)},
    }
