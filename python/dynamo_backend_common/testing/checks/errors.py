"""What a bad request is answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...exceptions import StreamIncomplete, Unknown
from ..check import Check, Problem

if TYPE_CHECKING:
    from ..life import Life

_UNKNOWN_TOKEN = 2**31 - 1


def _bad(request: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        "an empty prompt": request | {"token_ids": []},
        "a token that no vocabulary has": request | {"token_ids": [_UNKNOWN_TOKEN]},
        "a temperature below 0": request
        | {"sampling_options": dict(request["sampling_options"]) | {"temperature": -1.0}},
    }


async def _errors_are_typed(life: Life) -> None:
    life.good_answer()
    for what, request in _bad(life.request).items():
        answer = await life.ask(request, stop_at=2, what=f"a request with {what}")
        if isinstance(answer.error, Unknown | StreamIncomplete):
            kind = type(answer.error).__name__
            raise Problem(f"{what} reaches the client as {kind}: {life.told(answer)}")


async def _goes_on(life: Life) -> None:
    whole = life.good_answer()
    answer = await life.ask()
    if answer.error is not None or answer.reason != whole.reason:
        got = repr(answer.reason) if answer.error is None else life.told(answer)
        raise Problem(f"the same request that ended with {whole.reason!r} now ends with {got}")


CHECKS = (
    Check(
        "errors_are_typed",
        "a bad request is answered, or refused with an error that says whose fault it is",
        "check the request first and raise InvalidArgument, with what was given and what is"
        " accepted; any other exception reaches the client as Unknown, a fault of the server",
        _errors_are_typed,
    ),
    Check(
        "serves_after_bad_requests",
        "a request that failed or was stopped leaves the engine as it was",
        "free what a request holds in a finally",
        _goes_on,
    ),
)
