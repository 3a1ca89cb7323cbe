"""Requests as a worker gives them to an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidArgument
from ..messages import OutputOptions, Request, SamplingOptions, StopConditions

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS: dict[str, frozenset[str]] = {
    "stop_conditions": frozenset(StopConditions.__annotations__),
    "sampling_options": frozenset(SamplingOptions.__annotations__),
    "output_options": frozenset(OutputOptions.__annotations__),
}
"""Those that every request has at an engine, with their keys."""


def request(
    token_ids: Sequence[int] = (1, 2, 3),
    *,
    stop_conditions: StopConditions | None = None,
    sampling_options: SamplingOptions | None = None,
    output_options: OutputOptions | None = None,
    **more: Any,
) -> Request:
    """A whole request, every part of it there: what is not given has a worker's default.

    ``request([1, 2], stop_conditions={"max_tokens": 4}, sampling_options={"seed": 7})`` replaces
    these keys of its parts and leaves the others.

    Args:
        token_ids: The prompt.
        stop_conditions: Keys of `StopConditions`; without ``max_tokens`` it is 8.
        sampling_options: Keys of `SamplingOptions`; without ``temperature`` it is 0.
        output_options: Keys of `OutputOptions`.
        more: Other keys of the request, such as ``routing`` or ``annotations``.

    Raises:
        InvalidArgument: A part has a key that no request has.
    """
    given: dict[str, dict[str, Any]] = {
        "stop_conditions": {"max_tokens": 8} | dict(stop_conditions or {}),
        "sampling_options": {"temperature": 0.0} | dict(sampling_options or {}),
        "output_options": dict(output_options or {}),
    }
    whole: Any = {"model": "test", "token_ids": list(token_ids)}
    for part, values in given.items():
        unknown = sorted(values.keys() - PARTS[part])
        if unknown:
            raise InvalidArgument(
                f"request: {part} has no key {unknown[0]!r}; accepted: "
                + ", ".join(sorted(PARTS[part]))
            )
        whole[part] = dict.fromkeys(sorted(PARTS[part])) | values
    whole |= {"eos_token_ids": [], "annotations": []} | more
    made: Request = whole
    return made
