"""The sampling parameters of a request: the model's own defaults, and what the request says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidArgument
from ...generation_options import sampling_options
from .guided import structured_outputs
from .refusals import refuse, refusing
from .transfer import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vllm.config import VllmConfig
    from vllm.sampling_params import SamplingParams

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

        options = sampling_options(request)
        given = {**self._defaults, **_checked(options)}
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
        ends = dict.fromkeys(
            token for kind in kinds for token in _tokens(kind, stops.get(kind) or [])
        )
        asked = stops.get("max_tokens")
        if asked is None:
            asked = self._defaults.get("max_tokens")
        else:
            _integer("max_tokens", asked)
        thinking = stops.get("max_thinking_tokens")
        if thinking is not None:
            _integer("max_thinking_tokens", thinking)
        # A prompt that leaves no room is vLLM's to refuse.
        limits = (asked, self._most_tokens, max(self._model.max_model_len - prompt_tokens, 1))
        return {
            "max_tokens": min(limit for limit in limits if limit is not None),
            "min_tokens": _integer("min_tokens", stops.get("min_tokens") or 0),
            "stop_token_ids": list(ends),
            "ignore_eos": ignores_end,
            "thinking_token_budget": thinking,
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
            tokens = _tokens("bad_words_token_ids", word)
            if not tokens or not all(0 <= token < self._vocabulary for token in tokens):
                raise InvalidArgument(
                    f"bad_words_token_ids has {word!r}; a word is one token or more, of 0 to"
                    f" {self._vocabulary - 1}"
                )
        params._bad_words_token_ids = words  # noqa: SLF001


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that vLLM has under the same name."""
    found = {}
    for name, value in options.items():
        check = _CHECKS.get(name)
        if check is not None:
            found[name] = check(name, value)
        elif name not in _ELSEWHERE:
            refuse(name, value, ([], {}))
    return found


def _outputs(output: Mapping[str, Any]) -> dict[str, Any]:
    counts = {name: output.get(name) for name in ("logprobs", "prompt_logprobs")}
    return {
        **{
            name: -1 if count == _ALL else _integer(name, count)
            for name, count in counts.items()
            if count is not None
        },
        "skip_special_tokens": output.get("skip_special_tokens") is not False,
    }


def _number(name: str, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArgument(f"{name} is {value!r}; it must be a number")
    return value


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in _LONG:
        raise InvalidArgument(f"{name} is {value!r}; it must be an integer of 64 bits")
    return value


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidArgument(f"{name} is {value!r}; it must be true or false")
    return value


def _tokens(name: str, value: Any) -> list[int]:
    if not isinstance(value, list) or not set(map(type, value)) <= {int}:
        raise InvalidArgument(f"{name} is {value!r}; it must be a list of tokens")
    return value


def _texts(name: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not set(map(type, value)) <= {str}:
        raise InvalidArgument(f"{name} is {value!r}; it must be a list of texts")
    return value


def _by_token(name: str, value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise InvalidArgument(f"{name} is {value!r}; it must be an object, by token")
    return value


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "temperature": _number,
    "top_p": _number,
    "min_p": _number,
    "presence_penalty": _number,
    "frequency_penalty": _number,
    "repetition_penalty": _number,
    "top_k": _integer,
    "seed": _integer,
    "include_stop_str_in_output": _switch,
    "skip_reading_prefix_cache": _switch,
    "allowed_token_ids": _tokens,
    "logprob_token_ids": _tokens,
    "bad_words": _texts,
    "logit_bias": _by_token,
}
