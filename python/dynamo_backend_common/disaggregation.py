"""For engines that prefill in one worker and decode in another.

The frontend sends a request to a prefill worker first, and then to a decode worker, in one of two
ways. They depend on whether the prefill engine's `EngineConfig` has ``bootstrap_host`` and
``bootstrap_port``:

- without them, one after the other: what the prefill's last chunk has in ``disaggregated_params``
  comes with the decode's request, as a `PrefillResult`;
- with them, both at once: both requests have the same `BootstrapInfo`, by which the two engines
  meet.

A prefill engine, and the decode engine beside it::

    async def generate(self, request, context):
        request = prefill_request(request)
        token, blocks = await self.prefill(request)
        yield prefill_chunk([token], {"blocks": blocks})

    async def generate(self, request, context):
        if request.get(HEALTH_CHECK_KEY):
            ...  # a probe has no peer
        blocks = require_prefill_result(request).disaggregated_params["blocks"]
        ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .messages import Chunk, Usage

__all__ = [
    "BootstrapInfo",
    "PrefillResult",
    "bootstrap_info",
    "prefill_chunk",
    "prefill_request",
    "prefill_result",
    "require_bootstrap_info",
    "require_prefill_result",
]


RequestT = TypeVar("RequestT", bound=Mapping[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class PrefillResult:
    """What a prefill worker answered, in the request of its decode worker.

    Attributes:
        disaggregated_params: What the prefill's chunk had under this key.
        prompt_tokens_details: Details of the prompt's tokens, such as ``cached_tokens``, from the
            prefill's usage; None: it told none.
    """

    disaggregated_params: Mapping[str, Any]
    prompt_tokens_details: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BootstrapInfo:
    """Where the two workers of a request meet.

    Attributes:
        host: ``bootstrap_host`` of the prefill engine's `EngineConfig`.
        port: ``bootstrap_port`` of the same.
        room: Number of the request, the same for both workers, 0 to 2**63 - 1. Modulo the
            prefill's data-parallel size it is the prefill's rank, where the router chose one.
        handoff_id: UUID of the handoff, the same for both workers; None: the frontend gave none.
    """

    host: str
    port: int
    room: int
    handoff_id: str | None = None


def prefill_request(request: RequestT) -> RequestT:
    """The request as a prefill engine serves it: for exactly one token.

    A frontend sends ``max_tokens`` 1 but leaves ``min_tokens`` as the client gave it.

    Args:
        request: What ``generate`` got; it stays as it is.

    Returns:
        A copy with ``max_tokens`` 1, and ``min_tokens`` 1 where it was more.

    Raises:
        InvalidArgument: It has a prefill's result already: it is meant for a decode engine.
    """
    if request.get("prefill_result") is not None:
        raise InvalidArgument(
            "prefill_result: the request was prefilled already and is for a decode engine, but"
            " came to a prefill engine; serve each engine in the disaggregation mode that is its"
            " own"
        )
    stop: dict[str, Any] = dict(request.get("stop_conditions") or {})
    stop["max_tokens"] = 1
    if (stop.get("min_tokens") or 0) > 1:
        stop["min_tokens"] = 1
    return cast("RequestT", {**request, "stop_conditions": stop})


def prefill_chunk(
    token_ids: Sequence[int],
    disaggregated_params: Mapping[str, Any],
    *,
    completion_usage: Usage | None = None,
) -> Chunk:
    """The chunk of a prefill that hands over to the decode worker.

    It is the last one of its stream; a token that came before it travels with it. Its finish reason
    is ``length``; with any other the frontend would take the request for finished, answer the
    client with the prefill's tokens, and ask no decode worker. That is right for an engine whose
    first token is the end of the output: it yields a plain last chunk.

    Args:
        token_ids: The token of the prefill; may be empty. Only the decode's tokens reach the
            client.
        disaggregated_params: What the decode engine needs, as JSON values.
        completion_usage: Tokens used; of these, ``prompt_tokens_details`` reach the decode.
    """
    chunk: Chunk = {
        "token_ids": list(token_ids),
        "finish_reason": "length",
        "disaggregated_params": dict(disaggregated_params),
    }
    if completion_usage is not None:
        chunk["completion_usage"] = completion_usage
    return chunk


def prefill_result(request: Mapping[str, Any]) -> PrefillResult | None:
    """What the prefill worker answered; None where the request has nothing of it.

    Raises:
        InvalidArgument: What it has is no object with an object in ``disaggregated_params``.
    """
    given = request.get("prefill_result")
    if given is None:
        return None
    params = _field(given, "prefill_result", "disaggregated_params", dict)
    return PrefillResult(
        disaggregated_params=params, prompt_tokens_details=given.get("prompt_tokens_details")
    )


def bootstrap_info(request: Mapping[str, Any]) -> BootstrapInfo | None:
    """Where prefill and decode meet; None where the request does not say.

    Raises:
        InvalidArgument: What it has lacks host, port or room.
    """
    given = request.get("bootstrap_info")
    if given is None:
        return None
    return BootstrapInfo(
        host=_field(given, "bootstrap_info", "bootstrap_host", str),
        port=_field(given, "bootstrap_info", "bootstrap_port", int),
        room=_field(given, "bootstrap_info", "bootstrap_room", int),
        handoff_id=given.get("handoff_id"),
    )


def require_prefill_result(request: Mapping[str, Any]) -> PrefillResult:
    """What the prefill worker answered, for a decode engine that cannot do without.

    Raises:
        InvalidArgument: The request has nothing of it.
    """
    result = prefill_result(request)
    if result is not None:
        return result
    if request.get("bootstrap_info") is not None:
        raise InvalidArgument(
            "prefill_result: the request has bootstrap_info in its place, as the prefill engine"
            " advertises a bootstrap server; this decode engine takes disaggregated_params"
        )
    raise InvalidArgument(f"prefill_result: {_NO_PEER}")


def require_bootstrap_info(request: Mapping[str, Any]) -> BootstrapInfo:
    """Where prefill and decode meet, for an engine that cannot do without.

    Raises:
        InvalidArgument: The request does not say.
    """
    info = bootstrap_info(request)
    if info is not None:
        return info
    if request.get("prefill_result") is not None:
        raise InvalidArgument(
            "bootstrap_info: the request has a prefill_result in its place, as the prefill engine"
            " advertises no bootstrap server; set bootstrap_host and bootstrap_port in its"
            " EngineConfig"
        )
    raise InvalidArgument(f"bootstrap_info: {_NO_PEER}")


_NO_PEER = (
    "the request has none: no prefill worker served it before it came to this engine; send"
    " it through a frontend that knows both, or serve the engine with disaggregation_mode"
    " Aggregated"
)


def _field(given: Any, owner: str, name: str, kind: type) -> Any:
    """``given[name]``, where it is a ``kind``."""
    value = given.get(name) if isinstance(given, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidArgument(
            f"{owner}.{name}: {value!r} is no {kind.__name__}; what a Dynamo frontend sends has one"
        )
    return value
