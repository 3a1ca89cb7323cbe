"""Engines that are one half each: a decode answers with what its prefill handed over."""

import asyncio
import json
import threading
import time

from latches import FOLDER, case_of, passed, reach
from lifecycles import Recorded

from dynamo_backend_common import (
    HEALTH_CHECK_KEY,
    EngineConfig,
    EngineShutdown,
    Steps,
    prefill_chunk,
    prefill_request,
    require_bootstrap_info,
    require_prefill_result,
)


def tell(name, request):
    """Leaves the request with the test."""
    reach(name, json.dumps(request, default=list))


class Prefill(Recorded):
    async def generate(self, request, context):
        tell("prefill", request)
        request = prefill_request(request)
        tell("clamped", request["stop_conditions"])
        if case_of(request) == "long prefill":
            await passed("prefill-go")
        if case_of(request) == "failing prefill":
            raise EngineShutdown("no room for the prompt")
        prompt = list(request["token_ids"])
        usage = {
            "prompt_tokens": len(prompt),
            "completion_tokens": 1,
            "total_tokens": len(prompt) + 1,
            "prompt_tokens_details": {"cached_tokens": 2},
        }
        yield prefill_chunk(
            prompt[:1], {"blocks": prompt, "of": context.id}, completion_usage=usage
        )

    async def is_quiescent(self):
        return True


class TokenFirst(Recorded):
    """Its token comes first, and what it hands over with its last chunk."""

    async def generate(self, request, context):
        prompt = list(request["token_ids"])
        yield {"token_ids": prompt[:1], "log_probs": [-0.5]}
        await asyncio.sleep(0.01)
        last = prefill_chunk([], {"blocks": prompt})
        details = {"prompt_tokens_details": {"cached_tokens": 2}}
        usage = {"prompt_tokens": len(prompt), "completion_tokens": 1, "total_tokens": 1}
        yield last | {"completion_usage": usage | details}


class HandsNothingOver(Recorded):
    """An engine that knows nothing of prefill and decode, in a prefill worker."""

    async def generate(self, request, context):
        for token in request["token_ids"][: request["stop_conditions"]["max_tokens"]]:
            yield {"token_ids": [token]}
        yield {"token_ids": [], "finish_reason": "length"}


class BusyPrefill(Prefill):
    """Says when it is drained that it has something left, until the test lets it go."""

    async def drain(self):
        await super().drain()
        self.polled = 0

    async def is_quiescent(self):
        self.polled += 1
        if self.polled == 1:
            return None
        reach("polled")
        await passed("quiescent")
        return True

    async def cleanup(self):
        reach("cleanup-after", str(self.polled))
        await super().cleanup()


class Decode(Recorded):
    """Its cases wait for the test before the first token, as for the transfer of the KV cache."""

    async def health_check_payload(self):
        return {"token_ids": [1]}

    async def generate(self, request, context):
        if request.get(HEALTH_CHECK_KEY):
            reach("probe")
            yield {"token_ids": [1], "finish_reason": "stop"}
            return
        tell("decode", request)
        async for chunk in self.decode(case_of(request), await self.blocks(request), context):
            yield chunk

    async def blocks(self, request):
        result = require_prefill_result(request)
        tell("details", result.prompt_tokens_details)
        return result.disaggregated_params["blocks"]

    async def decode(self, case, blocks, context):
        if case:
            reach("transferring")
            if case != "long prefill":
                await context.stopped()
                reach("stopped")
            await passed("transferred")
            reach("transfer-ended")
            if case == "announced":
                context.notify_first_token()
                await passed("never")
        for token in blocks:
            yield {"token_ids": [token]}
        if case:
            await passed("never")
        yield {"token_ids": [], "finish_reason": "stop"}

    async def abort(self, context):
        reach("abort")


class BootstrapPrefill(Recorded):
    """Has a server at which a decode fetches the prompt by its room, while the prefill waits."""

    def __init__(self):
        self.rooms = {}

    async def start(self, worker_id):
        config = await super().start(worker_id)
        self.server = await asyncio.start_server(self.meet, "127.0.0.1")
        host, port = self.server.sockets[0].getsockname()
        return EngineConfig(
            model=config.model,
            context_length=config.context_length,
            bootstrap_host=host,
            bootstrap_port=port,
        )

    async def meet(self, reader, writer):
        prompt, fetched = await self.room(int(await reader.readline()))
        writer.write(json.dumps(await prompt).encode())
        writer.close()
        fetched.set()

    async def room(self, number):
        loop = asyncio.get_running_loop()
        return self.rooms.setdefault(number, (loop.create_future(), asyncio.Event()))

    async def generate(self, request, context):
        tell("prefill", request)
        prompt = list(prefill_request(request)["token_ids"])
        info = require_bootstrap_info(request)
        found, fetched = await self.room(info.room)
        found.set_result(prompt)
        # A decode that was sent only afterwards would never come.
        await fetched.wait()
        yield prefill_chunk(prompt[:1], {})

    async def cleanup(self):
        self.server.close()
        await super().cleanup()


class BootstrapDecode(Decode):
    async def blocks(self, request):
        info = require_bootstrap_info(request)
        reader, writer = await asyncio.open_connection(info.host, info.port)
        writer.write(f"{info.room}\n".encode())
        blocks = json.loads(await reader.read())
        writer.close()
        return blocks


def wait_for(latch):
    """Blocks the thread until the test releases ``latch``."""
    while not (FOLDER / latch).exists():
        time.sleep(0.01)


class LateDecode(Decode):
    """Blocks the event loop, so that a request comes to its turn when nobody wants it any more."""

    async def decode(self, case, blocks, context):
        if case == "blocking":
            reach("blocking")
            wait_for("loop-go")
        elif case:
            reach("stopped" if context.is_stopped() else "too-early")
            # More than an engine has for ending by itself.
            await asyncio.sleep(0.5)
            reach("kept")
        for token in blocks:
            yield {"token_ids": [token]}
        yield {"token_ids": [], "finish_reason": "stop"}


class LostTransfer(Decode):
    """Its cases wait for what never comes, and note what becomes of that."""

    async def decode(self, case, blocks, context):
        if case:
            reach(f"transferring-{case}")
            try:
                await asyncio.Event().wait()
            finally:
                reach(f"cancelled-{case}")
        for token in blocks:
            yield {"token_ids": [token]}
        yield {"token_ids": [], "finish_reason": "stop"}


class BlockingDecode(Decode):
    """A synchronous one, which is stopped before a chunk without tokens."""

    def generate(self, request, context):
        if case_of(request):
            reach("transferring")
            while not context.is_stopped():
                time.sleep(0.01)
            yield {"token_ids": []}
            reach("kept")
            yield {"token_ids": [1]}
        for token in require_prefill_result(request).disaggregated_params["blocks"]:
            yield {"token_ids": [token]}
        yield {"token_ids": [], "finish_reason": "stop"}


class SteppedDecode(Decode):
    """One with a step loop: nothing to push until the test lets the transfer end."""

    def __init__(self):
        self.steps = Steps()

    async def generate(self, request, context):
        stream = self.steps.open(context)
        tokens = require_prefill_result(request).disaggregated_params["blocks"]
        if case_of(request):
            threading.Thread(target=self.transfer, args=[stream.id, context]).start()
        else:
            self.steps.push([(stream.id, tokens, "stop")])
        return stream

    def transfer(self, stream, context):
        reach("transferring")
        while not context.is_stopped():
            time.sleep(0.01)
        if stream in self.steps.push([]).cancelled:
            reach("too-early")
        reach("kept")
        self.steps.push([(stream, 1)])
