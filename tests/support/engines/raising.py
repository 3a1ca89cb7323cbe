"""Raises what the request asks for, at once or after a first token."""

import asyncio

from latches import case_of
from plain import Plain

import dynamo_backend_common

BUILT_IN = {
    "ValueError": ValueError,
    "UnicodeError": UnicodeError,
    "TimeoutError": TimeoutError,
    "ConnectionRefusedError": ConnectionRefusedError,
    "ConnectionResetError": ConnectionResetError,
    "BrokenPipeError": BrokenPipeError,
    "CancelledError": asyncio.CancelledError,
    "RuntimeError": RuntimeError,
    "KeyError": KeyError,
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
}


class Raising(Plain):
    async def generate(self, request, context):
        case = case_of(request)
        if case:
            name, _, when = case.partition("-")
            if when == "later":
                yield {"token_ids": request["token_ids"][:1]}
            kind = BUILT_IN.get(name) or getattr(dynamo_backend_common, name)
            raise kind(f"asked to raise {case}")
        async for chunk in super().generate(request, context):
            yield chunk


class RaisingBeforeAStream(Plain):
    """Its generate is no generator: it fails before there is one."""

    def generate(self, request, context):
        if case_of(request):
            raise ValueError("refused before there is a stream")
        return super().generate(request, context)
