"""What one request asks for, checked: Dynamo's request dict becomes a `Generation`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from ....generation_options import GenerationOptions
from .unsupported import refuse_unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..binding.adapter import Adapter


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """A request as the step loop needs it.

    Attributes:
        prompt: Tokens of the prompt, at least one.
        options: How its output is to be made.
        shares_prefix: Whether the prompt may be kept for requests of others, and begin with what
            was kept of theirs: not where the caller asked for a cache apart by a salt.
        adapter: The LoRA adapter that it is for; None: the model alone.
    """

    prompt: tuple[int, ...]
    options: GenerationOptions
    shares_prefix: bool
    adapter: Adapter | None = None


def read_request(
    request: Mapping[str, Any],
    *,
    context_length: int,
    vocab_size: int,
    end_tokens: frozenset[int],
    defaults: Mapping[str, Any],
    adapters: Mapping[str, Adapter] | None = None,
) -> Generation:
    """Reads a request.

    Args:
        request: Dynamo's request.
        context_length: Tokens that prompt and output may have together.
        vocab_size: Number of tokens of the vocabulary.
        end_tokens: The model's own tokens that end a text.
        defaults: Sampling options where the request has none.
        adapters: The LoRA adapters that there are, by name.

    Raises:
        InvalidArgument: Something in it cannot be served; the message names it.
    """
    prompt = _prompt(request.get("token_ids"), context_length, vocab_size)
    refuse_unsupported(request)
    routing = request.get("routing") or {}
    return Generation(
        prompt=prompt,
        options=GenerationOptions.read(
            request,
            context_length=context_length,
            vocab_size=vocab_size,
            end_tokens=end_tokens,
            defaults=defaults,
        ),
        shares_prefix=not routing.get("cache_salt"),
        adapter=_adapter(routing.get("lora_name"), adapters or {}),
    )


def _adapter(name: str | None, adapters: Mapping[str, Adapter]) -> Adapter | None:
    if not name:
        return None
    if name not in adapters:
        loaded = ", ".join(sorted(adapters)) or "none"
        raise InvalidArgument(f"no LoRA adapter '{name}' is loaded here; loaded: {loaded}")
    return adapters[name]


def _prompt(tokens: Any, context_length: int, vocab_size: int) -> tuple[int, ...]:
    if not isinstance(tokens, Sequence) or isinstance(tokens, str):
        raise InvalidArgument(f"token_ids is {type(tokens).__name__}; it must be a list of int")
    if not tokens:
        raise InvalidArgument("the prompt is empty: token_ids must have at least one token")
    if len(tokens) > context_length:
        raise InvalidArgument(
            f"the prompt has {len(tokens)} tokens, the context {context_length}: shorten the "
            "prompt, or serve with a larger --context-length"
        )
    for token in tokens:
        if not isinstance(token, int) or not 0 <= token < vocab_size:
            raise InvalidArgument(f"token_ids has {token!r}; tokens are 0 to {vocab_size - 1}")
    return tuple(tokens)
