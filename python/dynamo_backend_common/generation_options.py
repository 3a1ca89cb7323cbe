"""What a request asks for of the generation, read and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping, Set


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationOptions:
    """How one request wants its output made: typed, checked, with the defaults filled in.

    ::

        options = GenerationOptions.read(request, context_length=8192, vocab_size=32000)

    What it reads is the request's ``sampling_options``, ``stop_conditions``, ``eos_token_ids`` and
    ``logprobs`` of its ``output_options``. An engine refuses with `Unsupported` whichever
    of these, and of the other options, it does not implement.

    Attributes:
        temperature: 0 chooses the likeliest token.
        top_p: Probability that the candidates have together; 1: all.
        top_k: Number of candidates; 0: all.
        min_p: Probability relative to the likeliest token's that a candidate needs; 0: none.
        repetition_penalty: Above 1 it is against tokens of prompt and output; 1: off.
        presence_penalty: Against tokens that are in the output; 0: off.
        frequency_penalty: Against tokens of the output, by how often they are in it; 0: off.
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
            vocab_size: Number of tokens of the vocabulary, to check the tokens that end the output;
                None: no check.
            end_tokens: The model's own tokens that end a text, beside the request's
                ``eos_token_ids``. With ``ignore_eos`` neither ends it.
            defaults: Sampling options that count where the request has none, such as those that a
                model recommends. Without them ``temperature`` is 1, and all else is off.

        Raises:
            InvalidArgument: A value is not valid; the message names it.
        """
        stops: Mapping[str, Any] = request.get("stop_conditions") or {}
        output: Mapping[str, Any] = request.get("output_options") or {}
        given: Mapping[str, Any] = request.get("sampling_options") or {}
        sampling = {
            **(defaults or {}),
            **{name: value for name, value in given.items() if value is not None},
        }
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
            seed=seed,
            max_tokens=min(_integer(stops, "max_tokens", room, low=0), room),
            min_tokens=_integer(stops, "min_tokens", 0, low=0),
            ends=ends,
            asked_ends=asked,
            visible_ends=frozenset(ends) if output.get("no_stop_trim") else visible,
            logprobs=_integer(output, "logprobs", 0, low=0) if wants_logprobs else None,
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
