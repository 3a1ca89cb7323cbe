"""An engine that fails as one that is gone, or waits for the test, as its request says."""

from latches import case_of, passed, reach
from plain import Plain

from dynamo_backend_common import EngineShutdown


class Engine(Plain):
    async def start(self, worker_id):
        reach("start")
        return await super().start(worker_id)

    async def generate(self, request, context):
        case = case_of(request)
        if case == "gone":
            raise EngineShutdown("the engine is gone")
        first, *rest = request["token_ids"]
        yield {"token_ids": [first]}
        if case == "gated":
            await passed("go")
        yield {"token_ids": rest}
        yield {"token_ids": [], "finish_reason": "stop"}
