"""What one request asks for, checked: Dynamo's request dict becomes a `Generation`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument
from .unsupported import refuse_unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How to choose tokens.

    Attributes:
        temperature: 0 chooses the likeliest token.
        top_p: Probability that the candidates have together; 1: all.
        top_k: Number of candidates; 0: all.
        min_p: Probability relative to the likeliest token's that a candidate needs; 0: none.
        repetition_penalty: Against tokens of prompt and output above 1; 1: off.
        presence_penalty: Against tokens that are in the output; 0: off.
        frequency_penalty: Against tokens of the output, by how often they are in it; 0: off.
        seed: Seed of the random choice; None: another one for each request.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """A request as the step loop needs it.

    Attributes:
        prompt: Tokens of the prompt, at least one.
        sampling: How to choose tokens.
        max_tokens: Tokens to produce at most; what fits the context at most.
        min_tokens: Tokens to produce before any of the tokens that end the output may be chosen.
        ends: Token that ends the output to the reason for finishing.
        asked_ends: Those of ``ends`` that the caller asked for.
        visible_ends: Those of ``ends`` that become part of the output.
        top_logprobs: Number of alternatives whose log probability is wanted beside that of each
            chosen token; None: none at all.
        shares_prefix: Whether the prompt may be kept for requests of others, and begin with what
            was kept of theirs: not where the caller asked for a cache apart by a salt.
    """

    prompt: tuple[int, ...]
    sampling: Sampling
    max_tokens: int
    min_tokens: int
    ends: Mapping[int, str]
    asked_ends: frozenset[int]
    visible_ends: frozenset[int]
    top_logprobs: int | None
    shares_prefix: bool


def read_request(
    request: Mapping[str, Any],
    *,
    context_length: int,
    vocab_size: int,
    end_tokens: frozenset[int],
    defaults: Mapping[str, Any],
) -> Generation:
    """Reads a request.

    Args:
        request: Dynamo's request.
        context_length: Tokens that prompt and output may have together.
        vocab_size: Number of tokens of the vocabulary.
        end_tokens: The model's own tokens that end a text.
        defaults: Sampling options where the request has none.

    Raises:
        InvalidArgument: Something in it cannot be served; the message names it.
    """
    prompt = _prompt(request.get("token_ids"), context_length, vocab_size)
    stops: Mapping[str, Any] = request.get("stop_conditions") or {}
    output: Mapping[str, Any] = request.get("output_options") or {}
    refuse_unsupported(request)

    # A full context leaves room for the one token that needs no place in it.
    room = max(context_length - len(prompt), 1)
    max_tokens = _integer(stops, "max_tokens", room, low=0)
    min_tokens = _integer(stops, "min_tokens", 0, low=0)
    asked = frozenset(stops.get("stop_token_ids") or ())
    visible = frozenset(stops.get("stop_token_ids_visible") or ())
    hidden = frozenset(stops.get("stop_token_ids_hidden") or ())
    own = end_tokens | frozenset(request.get("eos_token_ids") or ())
    if stops.get("ignore_eos"):
        hidden, own = hidden - own, frozenset()
    ends = dict.fromkeys(own, "eos") | dict.fromkeys(asked | visible - own | hidden - own, "stop")
    for token in ends:
        if not 0 <= token < vocab_size:
            raise InvalidArgument(f"stop token {token} is no token: {vocab_size} tokens exist")
    keep_all = bool(output.get("no_stop_trim"))
    return Generation(
        prompt=prompt,
        sampling=_sampling(request.get("sampling_options") or {}, defaults),
        max_tokens=min(max_tokens, room),
        min_tokens=min_tokens,
        ends=ends,
        asked_ends=asked,
        visible_ends=frozenset(ends) if keep_all else visible,
        top_logprobs=None
        if output.get("logprobs") is None
        else _integer(output, "logprobs", 0, low=0),
        shares_prefix=not (request.get("routing") or {}).get("cache_salt"),
    )


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


def _sampling(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> Sampling:
    merged = {**defaults, **{key: value for key, value in options.items() if value is not None}}
    seed = merged.get("seed")
    if seed is not None and not isinstance(seed, int):
        raise InvalidArgument(f"seed is {seed!r}; it must be an integer")
    return Sampling(
        temperature=_number(merged, "temperature", 1.0, low=0.0),
        top_p=_number(merged, "top_p", 1.0, low=0.0, high=1.0),
        top_k=max(_integer(merged, "top_k", 0, low=-1), 0),
        min_p=_number(merged, "min_p", 0.0, low=0.0, high=1.0),
        repetition_penalty=_number(merged, "repetition_penalty", 1.0, above=0.0),
        presence_penalty=_number(merged, "presence_penalty", 0.0),
        frequency_penalty=_number(merged, "frequency_penalty", 0.0),
        seed=seed,
    )


def _integer(options: Mapping[str, Any], name: str, default: int, *, low: int) -> int:
    value = options.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or value < low:
        raise InvalidArgument(f"{name} is {value!r}; it must be an integer of {low} or more")
    return value


def _number(
    options: Mapping[str, Any],
    name: str,
    default: float,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
) -> float:
    value = options.get(name)
    if value is None:
        return default
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidArgument(f"{name} is {value!r}; it must be a finite number")
    if not low <= value <= high:
        upper = "" if high == math.inf else f" to {high:g}"
        raise InvalidArgument(f"{name} is {value:g}; it must be {low:g}{upper or ' or more'}")
    if value <= above:
        raise InvalidArgument(f"{name} is {value:g}; it must be above {above:g}")
    return float(value)
