"""A sidecar: an engine in Rust that has found its server."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from ._sidecars import discover
from .configuration import configured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_backend_common import WorkerConfig

    from ._sidecars import Discovered

__all__ = ["Sidecar", "sglang", "trtllm", "vllm"]

logger = logging.getLogger("dynamo_sidecars")

# Seconds between two looks at what was logged, and for Ctrl-C.
_TURN = 0.2


class Sidecar:
    """An engine for `dynamo_backend_common.Worker`; `vllm` and its siblings make it."""

    def __init__(self, name: str, discovered: Discovered) -> None:
        self._name = name
        self._discovered = discovered

    def configure(self, config: WorkerConfig) -> WorkerConfig:
        """Fills in what the sidecar's own arguments and its server say.

        What the operator gave the worker counts more, but for the disaggregation mode.

        Raises:
            InvalidArgument: The worker's disaggregation mode is not the sidecar's, or the sidecar
                wants something that this worker does not have.
        """
        return configured(config, json.loads(self._discovered.worker_config))

    def __dynamo_engine__(self, version: int) -> Any:
        """The engine, in a capsule; only once."""
        return self._discovered.__dynamo_engine__(version)

    def __repr__(self) -> str:
        return f"<Sidecar {self._name}>"


def vllm(argv: Sequence[str]) -> Sidecar:
    """The sidecar of vLLM's gRPC server, ``vllm-rs serve … --grpc-port PORT``.

    Waits until the server answers, for half an hour at most
    (``--grpc-startup-deadline-secs SECONDS``).

    Args:
        argv: The arguments of ``dynamo-vllm-sidecar``; ``--help`` lists them.

    Raises:
        CannotConnect: The server did not answer in time.
        ConnectionTimeout: Neither did it refuse.
        InvalidArgument: An argument, or what the server says of itself, is not accepted.
        SystemExit: With status 2 after a message for a wrong argument, with 0 after ``--help``.
    """
    return _found("vllm", argv)


def sglang(argv: Sequence[str]) -> Sidecar:
    """The sidecar of SGLang's native gRPC server; like `vllm`.

    Args:
        argv: The arguments of ``dynamo-sglang-sidecar``; ``--help`` lists them.
    """
    return _found("sglang", argv)


def trtllm(argv: Sequence[str]) -> Sidecar:
    """The sidecar of TensorRT-LLM's OpenEngine server; like `vllm`.

    Args:
        argv: The arguments of ``dynamo-trtllm-sidecar``; ``--help`` lists them.
    """
    return _found("trtllm", argv)


def _found(name: str, argv: Sequence[str]) -> Sidecar:
    discovery = discover(name, f"dynamo-backend serve dynamo_sidecars:{name} --", list(argv))
    discovered = None
    while discovered is None:
        try:
            discovered = discovery.wait(_TURN)
        finally:
            for level, text in discovery.lines():
                logger.log(logging.getLevelName(level), "%s", text)
    return Sidecar(name, discovered)
