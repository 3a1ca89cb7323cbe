"""What a request may ask for that the engine does not have: refused, never left aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....generation_options import sampling_options
from ....unsupported import Unsupported
from . import samplers, token_lists

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....guided_decoding import GuidedDecoding

_UNSUPPORTED = Unsupported(
    "llama-cpp",
    {
        "sampling_options": {
            "n": (0, 1),
            "best_of": (0, 1),
            "use_beam_search": (False,),
            "length_penalty": (1.0,),
        },
        "stop_conditions": {"max_thinking_tokens": ()},
        "output_options": {"formatted_prompt": (False,)},
        # Of what a frontend passes on unread, requests of other APIs than OpenAI's.
        "extra_args": {"vllm_tito": (), "sglang_tito": (), "kv_transfer_params": ({},)},
    },
)
# Sampling options that are read elsewhere: those that `GenerationOptions` has, and llama.cpp's own.
_KNOWN = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "seed",
        "repetition_penalty",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "guided_decoding",
        # The frontend's.
        "include_stop_str_in_output",
        # Refused above, where they ask for something.
        "n",
        "best_of",
        "use_beam_search",
        "length_penalty",
        *samplers.NAMES,
        *token_lists.NAMES,
    }
)
# Of the others, that which asks for nothing.
_NOTHING: Mapping[str, tuple[Any, ...]] = {"detokenize": (True,)}


def refuse_unsupported(request: Mapping[str, Any]) -> None:
    """Refuses what the engine would have to leave aside.

    Raises:
        InvalidArgument: ``request`` asks for such a thing; the message names it.
    """
    options = sampling_options(request)
    _UNSUPPORTED.refuse_in({**request, "sampling_options": options})
    for name, value in options.items():
        if name not in _KNOWN:
            _UNSUPPORTED.refuse(name, value, _NOTHING.get(name, ([], {})))
    # As the frontend passes on a request for either.
    asked = (request.get("output_options") or {}).get("prompt_logprobs")
    _UNSUPPORTED.refuse("prompt_logprobs, or echo,", asked)
    for name in ("multi_modal_data", "prompt_embeds"):
        _UNSUPPORTED.refuse(name, request.get(name), ({},))


def refuse_other_backend(guided: GuidedDecoding | None) -> None:
    """Refuses a constraint that asks for another implementation than llama.cpp's.

    Raises:
        InvalidArgument: It does.
    """
    if guided is not None:
        _UNSUPPORTED.refuse("guided_decoding.backend", guided.backend, ("auto", "llama.cpp"))
