"""A gRPC service of some methods, as the servers of the tests have one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from ..ports import LOOPBACK
from .told import say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .protos import Protos


class Service:
    """One service; a method that was not added is unimplemented."""

    def __init__(self, protos: Protos, name: str) -> None:
        self._protos = protos
        self._name = name
        self._methods: dict[str, Any] = {}

    def unary(self, method: str, request: str, answer: Callable[[Any], Awaitable[Any]]) -> None:
        """Adds a method that answers with one message."""

        async def call(message: Any, _context: Any) -> Any:
            return await answer(message)

        self._methods[method] = grpc.unary_unary_rpc_method_handler(
            call, getattr(self._protos, request).FromString, _bytes
        )

    def stream(
        self, method: str, request: str, answer: Callable[[Any], AsyncIterator[Any]]
    ) -> None:
        """Adds a method that answers with a stream."""

        async def call(message: Any, _context: Any) -> AsyncIterator[Any]:
            async for part in answer(message):
                yield part

        self._methods[method] = grpc.unary_stream_rpc_method_handler(
            call, getattr(self._protos, request).FromString, _bytes
        )

    def handler(self) -> grpc.GenericRpcHandler:
        """All its methods."""
        return grpc.method_handlers_generic_handler(self._name, self._methods)


async def serve(port: int, *services: Service) -> None:
    """Serves until the process ends."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([service.handler() for service in services])
    server.add_insecure_port(f"{LOOPBACK}:{port}")
    await server.start()
    say("listening")
    await server.wait_for_termination()


def _bytes(message: Any) -> bytes:
    written: bytes = message.SerializeToString()
    return written
