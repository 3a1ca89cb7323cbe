"""Guided decoding: a constraint on the output becomes vLLM's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument
from .refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vllm.sampling_params import StructuredOutputsParams

_CONSTRAINTS = ("json", "regex", "choice", "grammar", "structural_tag")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "json": (str, dict),
    "regex": (str,),
    "choice": (list,),
    "grammar": (str,),
    "structural_tag": (str, dict),
    "whitespace_pattern": (str,),
    "backend": (str,),
}


def structured_outputs(
    guided: Mapping[str, Any] | None, *, backend: str
) -> StructuredOutputsParams | None:
    """The constraint of ``guided_decoding``; None where it has none.

    Args:
        guided: What the request has under ``guided_decoding``.
        backend: The backend that vLLM was started with; ``auto``: it chooses by the constraint.

    Raises:
        InvalidArgument: It has several constraints, one that is not known, or asks for a backend
            other than vLLM's.
    """
    given = {name: value for name, value in (guided or {}).items() if value is not None}
    if given.get("choice") == []:
        del given["choice"]
    if not any(name in given for name in _CONSTRAINTS):
        return None
    for name, value in given.items():
        if name not in _TYPES:
            refuse(f"guided_decoding.{name}", value)
        elif not isinstance(value, _TYPES[name]):
            allowed = " or ".join(kind.__name__ for kind in _TYPES[name])
            raise InvalidArgument(f"guided_decoding.{name} is {value!r}; it must be {allowed}")
    if not all(isinstance(choice, str) for choice in given.get("choice") or ()):
        raise InvalidArgument("guided_decoding.choice has what is no str; it must be a list of str")
    asked = given.pop("backend", backend)
    if asked != backend:
        raise InvalidArgument(
            f"guided_decoding.backend is {asked!r}, and vLLM was started with {backend!r}: it takes"
            " no other for one request; leave it out, or start with --structured-outputs-config"
            f' \'{{"backend": "{asked}"}}\''
        )
    tag = given.get("structural_tag")
    if tag is not None and not isinstance(tag, str):
        given["structural_tag"] = json.dumps(tag)

    from vllm.sampling_params import StructuredOutputsParams

    return StructuredOutputsParams(**given)
