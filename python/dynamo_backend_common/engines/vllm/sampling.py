"""The sampling parameters of a request: the model's own defaults, and what the request says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument
from .guided import structured_outputs
from .refusals import refuse, refusing
from .transfer import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vllm.config import VllmConfig
    from vllm.sampling_params import SamplingParams

_NUMBERS = frozenset(
    {
        "temperature",
        "top_p",
        "min_p",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
    }
)
_INTEGERS = frozenset({"top_k", "seed"})
_SWITCHES = frozenset({"include_stop_str_in_output", "skip_reading_prefix_cache"})
_TOKEN_LISTS = frozenset({"allowed_token_ids", "logprob_token_ids"})
_TAKEN = _NUMBERS | _INTEGERS | _SWITCHES | _TOKEN_LISTS | {"logit_bias", "bad_words"}
# Read elsewhere, or without a meaning where only tokens go out.
_ELSEWHERE = frozenset(
    {
        "n",
        "best_of",
        "use_beam_search",
        "length_penalty",
        "guided_decoding",
        "bad_words_token_ids",
        "detokenize",
    }
)
# Of a count of log probabilities, how the frontend says that all are wanted.
_ALL = 2**32 - 1
_LONG = range(-(2**63), 2**63)


class Sampling:
    """Makes `SamplingParams` of requests."""

    def __init__(self, config: VllmConfig) -> None:
        """Looks up what the model and the operator say once for all requests."""
        model = self._model = config.model_config
        self._defaults: Mapping[str, Any] = model.get_diff_sampling_param()
        # As vLLM's own server has it: a limit of the operator's is one for every request, a limit
        # of the model's is but a default.
        self._most_tokens: int | None = (
            (model.override_generation_config or {}).get("max_new_tokens")
            if model.generation_config in ("auto", "vllm")
            else self._defaults.get("max_tokens")
        )
        self._vocabulary: int = model.get_vocab_size()
        self._backend: str = config.structured_outputs_config.backend

    def params(
        self,
        request: Mapping[str, Any],
        *,
        prompt_tokens: int,
        transfer: Mapping[str, Any] | None = None,
    ) -> SamplingParams:
        """The parameters of ``request``.

        Args:
            request: Dynamo's request.
            prompt_tokens: Tokens of its prompt.
            transfer: Parameters of vLLM's connector for the KV cache.

        Raises:
            InvalidArgument: The request asks for what there is not, or a value is wrong; vLLM looks
                at some only when it gets them.
        """
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        options = _options(request)
        given = {**self._defaults, **_taken(options)}
        given |= self._stops(request.get("stop_conditions") or {}, prompt_tokens)
        given |= _outputs(request.get("output_options") or {})
        if given.get("logprob_token_ids"):
            # Their number takes its place.
            given["logprobs"] = None
        if given.get("bad_words") and self._model.skip_tokenizer_init:
            raise InvalidArgument(
                "bad_words are given as text, and vLLM was started with --skip-tokenizer-init; give"
                " bad_words_token_ids"
            )
        skips_cache = given.pop("skip_reading_prefix_cache", None)
        if transfer:
            given["extra_args"] = {KEY: dict(transfer)}
        with refusing():
            given["structured_outputs"] = structured_outputs(
                options.get("guided_decoding"), backend=self._backend
            )
            params = SamplingParams.from_optional(
                **given,
                detokenize=False,
                output_kind=RequestOutputKind.DELTA,
                # It is this request's own, so vLLM needs no deep copy.
                skip_clone=True,
            )
        if skips_cache is not None:
            params.skip_reading_prefix_cache = skips_cache
        if options.get("bad_words_token_ids"):
            self._forbid(options["bad_words_token_ids"], params)
        return params

    def _stops(self, stops: Mapping[str, Any], prompt_tokens: int) -> dict[str, Any]:
        ignores_end = bool(stops.get("ignore_eos"))
        kinds = ["stop_token_ids", "stop_token_ids_visible"]
        if not ignores_end:
            # Those of the model. They come out as any token does, and the frontend leaves them out.
            kinds.append("stop_token_ids_hidden")
        ends = dict.fromkeys(token for kind in kinds for token in _tokens(kind, stops.get(kind)))
        asked = _integer("max_tokens", stops.get("max_tokens"))
        if asked is None:
            asked = self._defaults.get("max_tokens")
        # A prompt that leaves no room is vLLM's to refuse.
        limits = (asked, self._most_tokens, max(self._model.max_model_len - prompt_tokens, 1))
        return {
            "max_tokens": min(limit for limit in limits if limit is not None),
            "min_tokens": _integer("min_tokens", stops.get("min_tokens")) or 0,
            "stop_token_ids": list(ends),
            "ignore_eos": ignores_end,
            "thinking_token_budget": stops.get("max_thinking_tokens"),
        }

    def _forbid(self, words: Any, params: SamplingParams) -> None:
        """Bad words as tokens: vLLM has no public way for them, and does not look at them."""
        if params.bad_words:
            raise InvalidArgument("bad_words and bad_words_token_ids are given; give one of them")
        from vllm import envs

        most = envs.VLLM_MAX_NUM_BAD_WORDS
        if not isinstance(words, list) or len(words) > most:
            raise InvalidArgument(f"bad_words_token_ids must be a list of {most} words at most")
        for word in words:
            tokens = _tokens("a word of bad_words_token_ids", word)
            if not tokens or not all(0 <= token < self._vocabulary for token in tokens):
                raise InvalidArgument(
                    f"bad_words_token_ids has {word!r}; a word is one token or more, of 0 to"
                    f" {self._vocabulary - 1}"
                )
        params._bad_words_token_ids = words  # noqa: SLF001


def _options(request: Mapping[str, Any]) -> dict[str, Any]:
    """The sampling options, with those that the frontend passes on unread."""
    passed_on = (request.get("extra_args") or {}).get("sampling_options") or {}
    options = {**(request.get("sampling_options") or {}), **passed_on}
    for name, value in options.items():
        if name not in _TAKEN and name not in _ELSEWHERE:
            refuse(name, value, ([], {}))
    return options


def _taken(options: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name in _TAKEN:
        value = options.get(name)
        if value is None:
            continue
        if name in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InvalidArgument(f"{name} is {value!r}; it must be a number")
        if name in _INTEGERS:
            _integer(name, value)
        if name == "bad_words" and not (
            isinstance(value, list) and all(isinstance(word, str) for word in value)
        ):
            raise InvalidArgument(f"{name} is {value!r}; it must be a list of texts")
        if name in _SWITCHES and not isinstance(value, bool):
            raise InvalidArgument(f"{name} is {value!r}; it must be true or false")
        found[name] = _tokens(name, value) if name in _TOKEN_LISTS else value
    return found


def _outputs(output: Mapping[str, Any]) -> dict[str, Any]:
    counts = {name: _integer(name, output.get(name)) for name in ("logprobs", "prompt_logprobs")}
    return {
        **{name: -1 if count == _ALL else count for name, count in counts.items()},
        "skip_special_tokens": output.get("skip_special_tokens") is not False,
    }


def _integer(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value not in _LONG:
        raise InvalidArgument(f"{name} is {value!r}; it must be an integer of 64 bits")
    return value


def _tokens(name: str, value: Any) -> list[int]:
    if value is None:
        return []
    if not isinstance(value, list | tuple) or not set(map(type, value)) <= {int}:
        raise InvalidArgument(f"{name} is {value!r}; it must be a list of tokens")
    return list(value)
