"""Leaves what it was told of a request's trace, and ends its requests in several ways."""

import asyncio
import json
import logging

from latches import case_of, passed, reach
from plain import Plain

from dynamo_backend_common import InvalidArgument

logger = logging.getLogger("traced_engine")


class Traced(Plain):
    async def generate(self, request, context):
        case = case_of(request)
        told = {
            "id": context.id,
            "trace_id": context.trace_id,
            "span_id": context.span_id,
            "parent_span_id": context.parent_span_id,
            "headers": context.trace_headers(),
        }
        reach(f"trace-{case}", json.dumps(told))
        logger.info("begins")
        await asyncio.get_running_loop().create_task(self.work())
        if case == "spans":
            await self.trace(context)
        if case == "raises":
            raise RuntimeError("broken")
        async for chunk in super().generate(request, context):
            yield chunk
            if case == "waits":
                reach("waits")
                await passed("never")
        logger.info("ends", extra={"tokens": len(request["token_ids"])})

    async def trace(self, context):
        """Makes spans below the request's, and writes to all of them."""
        own = context.current_span()
        own.set_attribute("cache.hit", True)
        own.add_event("looked up", {"blocks": 3})
        with context.start_span("load", {"sizes": [1, 2], "part": 0.5}) as load:
            load.set_attribute("from", ("disk", "host"))
            with load.start_span("read"):
                await asyncio.sleep(0)
        load.set_attribute("late", 1)
        try:
            with context.detached("other").start_span("fails"):
                raise TimeoutError("of a client's secret")
        except TimeoutError:
            pass
        context.start_span("refused").set_status("error", "no room")
        own.end()
        own.set_attribute("after.end", "there")
        told = {"records": [own.is_recording(), load.is_recording()], "refusals": []}
        for call in (
            lambda: own.set_attribute("wrong", {}),
            lambda: own.set_attribute("wrong", [1, "a"]),
            lambda: own.set_attribute("wrong", 2**63),
            lambda: own.add_event("event", [1]),
            lambda: own.set_status("bad"),
            lambda: context.start_span("never", {"wrong": None}),
        ):
            try:
                call()
            except InvalidArgument as raised:
                told["refusals"].append(str(raised))
        reach("spans", json.dumps(told))

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
