"""What a request may ask for that the engine does not have: refused, never left aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....unsupported import Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNSUPPORTED = Unsupported(
    "llama-cpp",
    {
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
    },
)
# Of what the frontend passes on unread, that which asks for nothing.
_PASSED_ON: Mapping[str, tuple[Any, ...]] = {"detokenize": (True,)}


def refuse_unsupported(request: Mapping[str, Any]) -> None:
    """Refuses what the engine would have to leave aside.

    Raises:
        InvalidArgument: ``request`` asks for such a thing; the message names it.
    """
    _UNSUPPORTED.refuse_in(request)
    passed_on = (request.get("extra_args") or {}).get("sampling_options") or {}
    for name, value in passed_on.items():
        _UNSUPPORTED.refuse(name, value, _PASSED_ON.get(name, ([], {})))
    for name in ("multi_modal_data", "prompt_embeds"):
        _UNSUPPORTED.refuse(name, request.get(name), ({},))
