"""What a request asks for of the generation, read and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .exceptions import InvalidArgument
from .guided_decoding import GuidedDecoding

if TYPE_CHECKING:
    from collections.abc import Mapping, Set


_MOST_DIGITS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationOptions:
    """How one request wants its output made: typed, checked, with the defaults filled in.

    ::

        options = GenerationOptions.read(request, context_length=8192, vocab_size=32000)

    What it reads is the request's ``sampling_options`` (see `sampling_options`),
    ``stop_conditions``, ``eos_token_ids`` and ``logprobs`` of its ``output_options``. An engine
    refuses with `Unsupported` whichever of these, and of the other options, it does not implement.

    Attributes:
        temperature: 0 chooses the likeliest token.
        top_p: Probability that the candidates have together; 1: all.
        top_k: Number of candidates; 0: all.
        min_p: Probability relative to the likeliest token's that a candidate needs; 0: none.
        repetition_penalty: Above 1 it is against tokens of prompt and output; 1: off.
        presence_penalty: Against tokens that are in the output; 0: off.
        frequency_penalty: Against tokens of the output, by how often they are in it; 0: off.
        logit_bias: What is added to the logits of some tokens, -100 to 100.
        guided_decoding: What the output is held to; None: nothing.
        seed: Seed of the random choice; None: a new one for each request.
        max_tokens: Tokens to produce at most; never more than fit into the context.
        min_tokens: Tokens to produce before any of the tokens that end the output may be chosen.
        ends: For each token that ends the output, the finish reason: ``eos`` or ``stop``.
        asked_ends: Those of ``ends`` that the caller asked for.
        visible_ends: Those of ``ends`` that become part of the output.
        logprobs: Number of alternatives whose log probability is wanted beside that of each chosen
            token; None: none at all.
    """

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    logit_bias: Mapping[int, float]
    guided_decoding: GuidedDecoding | None
    seed: int | None
    max_tokens: int
    min_tokens: int
    ends: Mapping[int, str]
    asked_ends: frozenset[int]
    visible_ends: frozenset[int]
    logprobs: int | None

    @classmethod
    def read(
        cls,
        request: Mapping[str, Any],
        *,
        context_length: int,
        vocab_size: int | None = None,
        end_tokens: Set[int] = frozenset(),
        defaults: Mapping[str, Any] | None = None,
    ) -> GenerationOptions:
        """Reads a request.

        Args:
            request: The request, with its prompt in ``token_ids``.
            context_length: Tokens that prompt and output may have together.
            vocab_size: Number of tokens of the vocabulary, to check the tokens that end the output
                or have a bias; None: no check.
            end_tokens: The model's own tokens that end a text, beside the request's
                ``eos_token_ids``. With ``ignore_eos`` neither ends it.
            defaults: Sampling options that count where the request has none, such as those that a
                model recommends. Without them ``temperature`` is 1, and all else is off.

        Raises:
            InvalidArgument: A value is not valid; the message names it.
        """
        stops: Mapping[str, Any] = request.get("stop_conditions") or {}
        output: Mapping[str, Any] = request.get("output_options") or {}
        sampling = {**(defaults or {}), **sampling_options(request)}
        # A full context leaves room for the one token that needs no place in it.
        room = max(context_length - len(request["token_ids"]), 1)
        asked = frozenset(stops.get("stop_token_ids") or ())
        visible = frozenset(stops.get("stop_token_ids_visible") or ())
        hidden = frozenset(stops.get("stop_token_ids_hidden") or ())
        own = frozenset(end_tokens) | frozenset(request.get("eos_token_ids") or ())
        if stops.get("ignore_eos"):
            hidden, own = hidden - own, frozenset()
        ends = dict.fromkeys(own, "eos") | dict.fromkeys(
            asked | visible - own | hidden - own, "stop"
        )
        for token in ends:
            if not isinstance(token, int) or token < 0:
                raise InvalidArgument(
                    f"stop token {token!r} is no token: it must be an integer of 0 or more"
                )
            if vocab_size is not None and token >= vocab_size:
                raise InvalidArgument(
                    f"stop token {token} is not in the vocabulary, which has {vocab_size} tokens"
                )
        seed = sampling.get("seed")
        if seed is not None and not isinstance(seed, int):
            raise InvalidArgument(f"seed is {seed!r}; it must be an integer")
        wants_logprobs = output.get("logprobs") is not None
        return cls(
            temperature=_number(sampling, "temperature", 1.0, low=0.0),
            top_p=_number(sampling, "top_p", 1.0, low=0.0, high=1.0),
            top_k=max(_integer(sampling, "top_k", 0, low=-1), 0),
            min_p=_number(sampling, "min_p", 0.0, low=0.0, high=1.0),
            repetition_penalty=_number(sampling, "repetition_penalty", 1.0, above=0.0),
            presence_penalty=_number(sampling, "presence_penalty", 0.0),
            frequency_penalty=_number(sampling, "frequency_penalty", 0.0),
            logit_bias=_bias(sampling.get("logit_bias"), vocab_size),
            guided_decoding=GuidedDecoding.read(sampling.get("guided_decoding")),
            seed=seed,
            max_tokens=min(_integer(stops, "max_tokens", room, low=0), room),
            min_tokens=_integer(stops, "min_tokens", 0, low=0),
            ends=ends,
            asked_ends=asked,
            visible_ends=frozenset(ends) if output.get("no_stop_trim") else visible,
            logprobs=_integer(output, "logprobs", 0, low=0) if wants_logprobs else None,
        )


def sampling_options(request: Mapping[str, Any]) -> dict[str, Any]:
    """The sampling options that a request has, without those that are None.

    Those for which Dynamo has no field come in ``sampling_options`` of the request's
    ``extra_args``; they are among these, and count where both have one.

    Args:
        request: Dynamo's request.

    Returns:
        The options by name, unchecked.
    """
    passed_on = (request.get("extra_args") or {}).get("sampling_options") or {}
    known = request.get("sampling_options") or {}
    return {
        name: value
        for part in (known, passed_on)
        for name, value in part.items()
        if value is not None
    }


def _bias(given: Any, vocab_size: int | None) -> dict[int, float]:
    if given is None:
        return {}
    if not hasattr(given, "items"):
        raise InvalidArgument(f"logit_bias is {given!r}; it must be an object, by token")
    found = {}
    for key, value in given.items():
        # Of more digits Python makes no number.
        token = int(key) if str(key).isdecimal() and len(str(key)) < _MOST_DIGITS else -1
        if token < 0 or (vocab_size is not None and token >= vocab_size):
            last = "" if vocab_size is None else f" to {vocab_size - 1}"
            raise InvalidArgument(f"logit_bias has {key!r}, which is no token: tokens are 0{last}")
        found[token] = _number(
            {f"logit_bias of {token}": value}, f"logit_bias of {token}", 0.0, low=-100.0, high=100.0
        )
    return found


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
