"""Reading a request: Dynamo's dict becomes the `Call` that vLLM is asked with."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ...disaggregation import prefill_request
from ...exceptions import InvalidArgument
from ...messages import HEALTH_CHECK_KEY
from ...prompt import Prompt
from .call import Call
from .refusals import refuse_unsupported
from .sampling import Sampling
from .transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from vllm.config import VllmConfig
    from vllm.inputs import TokensInput

    from ..._core import RequestContext
    from ...config import DisaggregationMode

logger = logging.getLogger(__name__)

_SALT = "dynamo-cache-salt:"
"""By which the router knows the salt among the keys of a KV event."""


class Requests:
    """Reads the requests of one worker."""

    def __init__(
        self,
        config: VllmConfig,
        mode: DisaggregationMode,
        *,
        dp_ranks: range,
        lora_names: Container[str] = frozenset(),
    ) -> None:
        """Looks up what is the same for all requests.

        Args:
            config: vLLM's, as it is when the engine has started.
            mode: What the worker does: `WorkerConfig.disaggregation_mode`.
            dp_ranks: Data-parallel ranks of this worker, as the router counts over all workers.
            lora_names: Adapters that are loaded, at the time that it is asked.

        Raises:
            InvalidArgument: The worker prefills or decodes, and vLLM has no connector for that.
        """
        self._config = config
        self._dp_ranks = dp_ranks
        self._lora_names = lora_names
        self._vocabulary: int = config.model_config.get_vocab_size()
        self._sampling = Sampling(config)
        self._transfer = Transfer(config, mode)

    @property
    def are_fetched(self) -> bool:
        """Whether what was prefilled here is fetched by others after its request has ended."""
        return self._transfer.is_fetched

    def staged(self, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What another worker keeps for ``request``, which is refused; None: nothing."""
        return self._transfer.staged(request)

    def read(self, request: Mapping[str, Any], context: RequestContext) -> Call:
        """Reads a request.

        Some of it vLLM checks itself when it gets the call: see `refusing`.

        Raises:
            InvalidArgument: Something in it cannot be served; the message names it.
        """
        refuse_unsupported(request)
        if self._transfer.prefills:
            request = _of_one_token(request)
        handover = self._transfer.handover(request)
        taken_over = self._transfer.taken_over(request)
        transfer, details = taken_over or (handover.asked if handover else None, None)
        prompt = self._prompt(request)
        prompt_tokens = len(prompt["prompt_token_ids"])
        params = self._sampling.params(request, prompt_tokens=prompt_tokens, transfer=transfer)
        if params.prompt_logprobs is not None and (handover or taken_over):
            raise InvalidArgument(
                "prompt_logprobs is given, which the vllm engine does not have where prefill and"
                " decode are apart: the KV cache comes without them; leave it out"
            )
        routing: Mapping[str, Any] = request.get("routing") or {}
        passed_on: Mapping[str, Any] = request.get("extra_args") or {}
        return Call(
            request_id=context.id,
            prompt=prompt,
            params=params,
            prompt_tokens=prompt_tokens,
            lora_name=self._lora_name(request, routing),
            trace_headers=self._trace_headers(context),
            # Dynamo's router serves the highest first.
            priority=-(routing.get("priority") or 0),
            data_parallel_rank=self._rank(routing.get("dp_rank")),
            reasoning_ended=_passed_on(passed_on, "reasoning_ended", bool),
            reasoning_parser_kwargs=_passed_on(passed_on, "reasoning_parser_kwargs", dict),
            handover=handover,
            prompt_tokens_details=details,
        )

    def _prompt(self, request: Mapping[str, Any]) -> TokensInput:
        # vLLM looks at the tokenizer's vocabulary; past the model's, a token ends its engine core.
        prompt = Prompt.read(request, vocab_size=self._vocabulary)
        from vllm.inputs.engine import tokens_input

        salt = prompt.cache_salt
        return tokens_input(list(prompt.token_ids), cache_salt=f"{_SALT}{salt}" if salt else None)

    def _lora_name(self, request: Mapping[str, Any], routing: Mapping[str, Any]) -> str | None:
        name = routing.get("lora_name")
        if name is None:
            # From a client that sends its requests past Dynamo's frontend.
            model = request.get("model")
            return model if model in self._lora_names else None
        if name not in self._lora_names:
            raise InvalidArgument(f"routing.lora_name: no adapter {name!r} is loaded here")
        return str(name)

    def _rank(self, rank: int | None) -> int | None:
        """The rank as this worker's vLLM counts."""
        if rank is None:
            return None
        if rank in self._dp_ranks:
            return self._dp_ranks.index(rank)
        # Not chosen for this worker: the client's, which a router that knows no ranks passes on to
        # any worker, or a decode's that its prefill comes with.
        logger.debug("vLLM chooses the rank: %s is none of %s", rank, self._dp_ranks)
        return None

    def _trace_headers(self, context: RequestContext) -> Mapping[str, str] | None:
        # Without a collector of its own vLLM would carry them around for nothing.
        if not self._config.observability_config.otlp_traces_endpoint:
            return None
        return context.trace_headers() or None


def _passed_on(extra_args: Mapping[str, Any], name: str, kind: type) -> Any:
    """What the frontend passes on; of another type it ends the engine core, which reads it."""
    value = extra_args.get(name)
    if value is not None and not isinstance(value, kind):
        raise InvalidArgument(f"extra_args.{name} is {value!r}; it must be a {kind.__name__}")
    return value


def _of_one_token(request: Mapping[str, Any]) -> Mapping[str, Any]:
    request = prefill_request(request)
    if request.get(HEALTH_CHECK_KEY):
        return request
    # The decode computes this token again: could it be the end of the output here too, there would
    # be nothing to decode, and the end would come twice as often as it should.
    return {**request, "stop_conditions": {**request["stop_conditions"], "min_tokens": 1}}
