"""What a request may ask for that the engine does not have: refused, never left aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

# By the part of the request: options, and the values that ask for nothing. None is one always.
_UNSUPPORTED: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "sampling_options": {
        "n": (0, 1),
        "best_of": (0, 1),
        "use_beam_search": (False,),
        "length_penalty": (1.0,),
        "guided_decoding": ({},),
        "logit_bias": ({},),
    },
    "stop_conditions": {"max_thinking_tokens": ()},
    "output_options": {"prompt_logprobs": (), "formatted_prompt": (False,)},
}
# Of what the frontend passes on unread, that which asks for nothing.
_PASSED_ON: Mapping[str, tuple[Any, ...]] = {"detokenize": (True,)}


def refuse_unsupported(request: Mapping[str, Any]) -> None:
    """Refuses what the engine would have to leave aside.

    Raises:
        InvalidArgument: ``request`` asks for such a thing; the message names it.
    """
    for part, options in _UNSUPPORTED.items():
        given = request.get(part) or {}
        for name, nothing in options.items():
            _refuse(name, given.get(name), nothing)
    passed_on = (request.get("extra_args") or {}).get("sampling_options") or {}
    for name, value in passed_on.items():
        _refuse(name, value, _PASSED_ON.get(name, ([], {})))
    for name in ("multi_modal_data", "prompt_embeds"):
        _refuse(name, request.get(name), ({},))


def _refuse(name: str, value: Any, nothing: tuple[Any, ...]) -> None:
    if value is None or value in nothing:
        return
    shown = f"{name} is {value}" if isinstance(value, int | float) else f"{name} is given"
    raise InvalidArgument(f"{shown}, which the llama-cpp engine does not have; leave it out")
