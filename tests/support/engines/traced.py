"""Leaves what it was told of a request's trace, and ends its requests in several ways."""

import asyncio
import json
import logging

from latches import case_of, passed, reach
from plain import Plain

logger = logging.getLogger("traced_engine")


class Traced(Plain):
    async def generate(self, request, context):
        case = case_of(request)
        told = {"id": context.id, "trace_id": context.trace_id, "headers": context.trace_headers()}
        reach(f"trace-{case}", json.dumps(told))
        logger.info("begins")
        await asyncio.get_running_loop().create_task(self.work())
        if case == "raises":
            raise RuntimeError("broken")
        async for chunk in super().generate(request, context):
            yield chunk
            if case == "waits":
                reach("waits")
                await passed("never")
        logger.info("ends", extra={"tokens": len(request["token_ids"])})

    async def work(self):
        logger.warning("works")

    async def abort(self, context):
        logger.info("aborts")


class InThreads(Plain):
    """The same in a thread of the request's own."""

    def generate(self, request, context):
        logger.info("begins")
        for token in request["token_ids"]:
            yield {"token_ids": [token]}
        yield {"token_ids": [], "finish_reason": "stop"}
