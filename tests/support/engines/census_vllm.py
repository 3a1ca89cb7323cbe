"""The bundled engine, with a control that counts what it keeps for its requests."""

import asyncio
import gc
from collections import Counter

from dynamo_backend_common.engines.vllm import Vllm

# By their name: ours and vLLM's, of a request each.
KEPT = {"Call", "Counted", "Output", "RequestState", "RequestStateStats", "StepStream"}


class Census(Vllm):
    async def supported_controls(self):
        return [*await super().supported_controls(), "census"]

    async def engine_control(self, name, body):
        if name != "census":
            return await super().engine_control(name, body)
        gc.collect()
        kinds = Counter(type(kept).__name__ for kept in gc.get_objects())
        kept = {name: number for name, number in kinds.items() if name in KEPT}
        return {"tasks": len(asyncio.all_tasks()), "kept": kept}
