"""Requests whose client leaves: the generator says what it sees of that."""

import asyncio
import sys

from latches import case_of, passed, reach
from plain import Plain


class Abandoned(Plain):
    def __init__(self):
        self.cases = {}

    async def generate(self, request, context):
        case = case_of(request)
        if not case:
            async for chunk in super().generate(request, context):
                yield chunk
            return
        self.cases[context.id] = case
        token = request["token_ids"][0]
        try:
            if case.startswith("silent"):
                reach(f"{case}-started")
                await asyncio.Event().wait()
            yield {"token_ids": [token]}
            reach(f"{case}-started")
            match case:
                case "waiting" | "waiting-slow":
                    await asyncio.Event().wait()
                case "waiting-kept":
                    await passed("silent-left-finally")
                case "polling":
                    while not context.is_stopped():
                        yield {"token_ids": [token]}
                        await asyncio.sleep(0.01)
                case "flooding-slow":
                    while True:
                        yield {"token_ids": [token]}
                        await asyncio.sleep(0.001)
                case _ if case.startswith("awaiting-stop"):
                    await context.stopped()
                case "swallowing":
                    # An engine that answers its cancellation with a chunk is wrong, but ends too.
                    try:
                        await asyncio.Event().wait()
                    except asyncio.CancelledError:
                        reach("swallowing-cancelled")
            reason = "cancelled" if context.is_stopped() else "stop"
            yield {"token_ids": [], "finish_reason": reason}
        finally:
            error = sys.exc_info()[0]
            reach(f"{case}-ending")
            try:
                # Only a generator that is neither dropped nor cancelled again gets past this.
                if case.endswith("slow"):
                    await passed(f"{case}-go")
                await asyncio.sleep(0)
                reach(f"{case}-finally", error.__name__ if error else "no exception")
            except asyncio.CancelledError:
                reach(f"{case}-finally", "cancelled in its finally")
                raise

    async def abort(self, context):
        case = self.cases[context.id]
        reach(f"{case}-abort", f"{context.is_stopped()}")


class WithoutAbort(Abandoned):
    abort = None
