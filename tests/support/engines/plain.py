"""An engine as a user would write it: no base class, three methods, the prompt as the answer."""

from dataclasses import replace

from dynamo_backend_common import EngineConfig


class Plain:
    model = "plain"

    async def start(self, worker_id):
        return EngineConfig(model=self.model, context_length=2048)

    async def generate(self, request, context):
        prompt = request["token_ids"]
        for token in prompt:
            yield {"token_ids": [token]}
        usage = {
            "prompt_tokens": len(prompt),
            "completion_tokens": len(prompt),
            "total_tokens": 2 * len(prompt),
        }
        yield {"token_ids": [], "finish_reason": "stop", "completion_usage": usage}

    async def cleanup(self):
        pass


class Named(Plain):
    """Takes its name from what follows ``--``."""

    def __init__(self, model):
        self.model = model

    @classmethod
    def from_args(cls, argv):
        return cls(*argv)


def make():
    """A factory without parameters."""
    return Plain()


engine = Plain()


class Filling(Plain):
    def configure(self, config):
        return replace(config, component="filled")


class Registering(Plain):
    async def setup_metrics(self, context):
        context.metrics.register()


class WithoutGenerate:
    async def start(self, worker_id):
        return EngineConfig(model="none")

    async def cleanup(self):
        pass
