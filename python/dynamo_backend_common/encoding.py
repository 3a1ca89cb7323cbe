"""For models whose media are encoded by a worker of their own.

A frontend sends a request that has images or the like to an encode worker first, which is served
with ``disaggregation_mode="Encode"``. What that engine's last chunk has in ``encoder_result`` comes
with the request to the workers that generate, which are served with ``route_to_encoder=True``.
Where the encode worker failed, or is not there, the request comes without it: an engine that can
then encodes ``request["multi_modal_data"]`` itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .messages import Chunk

__all__ = ["encoder_chunk", "encoder_result", "require_encoder_result"]


def encoder_chunk(result: Mapping[str, Any]) -> Chunk:
    """The chunk of an encode engine: its last one, and mostly its only one.

    Args:
        result: What the engine that generates needs; of what keys, the two agree on.
    """
    return {"token_ids": [], "finish_reason": "stop", "encoder_result": dict(result)}


def encoder_result(request: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the encode worker made; None where the request has nothing of it.

    Raises:
        InvalidArgument: It is there, and no mapping.
    """
    result = request.get("encoder_result")
    if result is None or isinstance(result, dict):
        return result
    raise InvalidArgument(
        f"encoder_result: what the encode worker made is of type {type(result).__name__}, and no"
        " mapping"
    )


def require_encoder_result(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the encode worker made.

    Raises:
        InvalidArgument: The request has nothing of it, or what is there is no mapping.
    """
    result = encoder_result(request)
    if result is None:
        raise InvalidArgument(
            "encoder_result: the request has none: no encode worker served it before it came to"
            " this engine; serve one with disaggregation_mode Encode beside it, and send requests"
            " with media through a frontend that knows both"
        )
    return result
