"""Guided decoding: a constraint on the output becomes vLLM's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument
from ...guided_decoding import GuidedDecoding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vllm.sampling_params import StructuredOutputsParams


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
    found = GuidedDecoding.read(guided)
    if found is None:
        return None
    if found.backend not in (None, backend):
        raise InvalidArgument(
            f"guided_decoding.backend is {found.backend!r}, and vLLM was started with {backend!r}: "
            "it takes no other for one request; leave it out, or start with "
            f'--structured-outputs-config \'{{"backend": "{found.backend}"}}\''
        )
    value = found.value
    if found.kind == "structural_tag" and not isinstance(value, str):
        value = json.dumps(value)

    from vllm.sampling_params import StructuredOutputsParams

    more = {"whitespace_pattern": found.whitespace_pattern} if found.whitespace_pattern else {}
    return StructuredOutputsParams(**{found.kind: value}, **more)
