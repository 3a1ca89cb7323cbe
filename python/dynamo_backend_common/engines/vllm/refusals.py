"""What a request asks for and does not get: each refused by its name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...exceptions import DynamoError, InvalidArgument
from ...unsupported import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_UNSUPPORTED = Unsupported(
    "vllm",
    {
        "sampling_options": {
            # Each output has a finish reason of its own, and a worker's stream ends with the first.
            "n": (0, 1),
            "best_of": (0, 1),
            "use_beam_search": (False,),
            "length_penalty": (1.0,),
        },
        "output_options": {"formatted_prompt": (False,)},
        # Of what a frontend passes on unread, requests of other APIs than OpenAI's.
        "extra_args": {"vllm_tito": (), "sglang_tito": (), "kv_transfer_params": ({},)},
    },
)

refuse = _UNSUPPORTED.refuse


def refuse_unsupported(request: Mapping[str, Any]) -> None:
    """Refuses what would have to be left aside.

    Raises:
        InvalidArgument: ``request`` asks for such a thing; the message names it.
    """
    _UNSUPPORTED.refuse_in(request)
    for name in ("multi_modal_data", "prompt_embeds", "encoder_result"):
        refuse(name, request.get(name), ({}, ""))


@contextmanager
def refusing() -> Iterator[None]:
    """Makes what vLLM raises for a request that it does not take an `InvalidArgument`.

    Its words are vLLM's. What is no fault of the request's passes as it is.
    """
    try:
        yield
    except DynamoError:
        raise
    except (ValueError, TypeError) as error:
        # Or a fault of vLLM's, or ours: its traceback is for the log.
        raise InvalidArgument(str(error)) from error
    except Exception as error:
        from vllm.exceptions import VLLMClientError

        if not isinstance(error, VLLMClientError):
            raise
        # It says all that there is to know, and its traceback would be in the log for each client
        # that asks for such a thing.
        raise InvalidArgument(str(error)) from None
