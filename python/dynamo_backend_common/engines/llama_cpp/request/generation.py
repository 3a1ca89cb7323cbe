"""What one request asks for, checked: Dynamo's request dict becomes a `Generation`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from ....generation_options import GenerationOptions, sampling_options
from ....prompt import Prompt
from .samplers import Samplers
from .token_lists import TokenLists
from .unsupported import refuse_other_backend, refuse_unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..binding.adapter import Adapter
    from ..binding.grammar import Grammar
    from ..binding.prototype import Prototype

# With more or less, llama.cpp's floats are soon infinite, and what it then sorts has no order.
_LIMITS: Mapping[str, tuple[float, float]] = {
    "temperature": (0.0, 1e6),
    "repetition_penalty": (1e-6, 1e6),
    "presence_penalty": (-1e6, 1e6),
    "frequency_penalty": (-1e6, 1e6),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """A request as the step loop needs it.

    Attributes:
        prompt: Tokens of the prompt, at least one.
        options: How its output is to be made.
        samplers: What llama.cpp has beyond them.
        token_lists: Tokens that it may have, or may not; None: there are no such lists.
        shares_prefix: Whether the prompt may be kept for requests of others, and begin with what
            was kept of theirs: not where the caller asked for a cache apart by a salt.
        grammar: What the output is held to: the options' ``guided_decoding``, read by llama.cpp.
        repetition: The repetition penalty, which was told of the prompt; None: it is off.
        dry: DRY as the ``samplers`` ask for it, which was told of the prompt; None: it is off.
        adapter: The LoRA adapter that it is for; None: the model alone.
    """

    prompt: tuple[int, ...]
    options: GenerationOptions
    samplers: Samplers
    token_lists: TokenLists | None
    shares_prefix: bool
    adapter: Adapter | None = None
    grammar: Grammar | None = None
    repetition: Prototype | None = None
    dry: Prototype | None = None


def read_request(
    request: Mapping[str, Any],
    *,
    context_length: int,
    vocab_size: int,
    end_tokens: frozenset[int],
    defaults: Mapping[str, Any],
    adapters: Mapping[str, Adapter] | None = None,
) -> Generation:
    """Reads a request, but for what `Preparation` adds.

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
    prompt = Prompt.read(request, vocab_size=vocab_size, context_length=context_length)
    refuse_unsupported(request)
    options = GenerationOptions.read(
        request,
        context_length=context_length,
        vocab_size=vocab_size,
        end_tokens=end_tokens,
        defaults=defaults,
    )
    _check(options)
    refuse_other_backend(options.guided_decoding)
    given = sampling_options(request)
    adapter = (request.get("routing") or {}).get("lora_name")
    return Generation(
        prompt=prompt.token_ids,
        options=options,
        samplers=Samplers.read(given),
        token_lists=TokenLists.read(given, vocab_size=vocab_size),
        shares_prefix=prompt.cache_salt is None,
        adapter=_adapter(adapter, adapters or {}),
    )


def _check(options: GenerationOptions) -> None:
    for name, (low, high) in _LIMITS.items():
        value = getattr(options, name)
        if not low <= value <= high:
            raise InvalidArgument(f"{name} is {value:g}; llama.cpp takes {low:g} to {high:g}")


def _adapter(name: str | None, adapters: Mapping[str, Adapter]) -> Adapter | None:
    if not name:
        return None
    if name not in adapters:
        loaded = ", ".join(sorted(adapters)) or "none"
        raise InvalidArgument(f"no LoRA adapter '{name}' is loaded here; loaded: {loaded}")
    return adapters[name]
