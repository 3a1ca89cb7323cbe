"""One request, as the paths to vLLM's engine core serve it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vllm.inputs import TokensInput
    from vllm.sampling_params import SamplingParams

    from .transfer import Handover


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """What vLLM is asked for.

    Attributes:
        request_id: The request's id, as the frontend gave it.
        prompt: The prompt as vLLM's renderer would give it, cache salt included.
        params: This request's own; nobody else has them.
        prompt_tokens: Tokens of the prompt.
        lora_name: Name of the adapter; None: the model itself.
        trace_headers: Headers by which vLLM continues the trace; None: it traces nothing.
        priority: As vLLM counts, lower first.
        data_parallel_rank: Among the engine cores of this worker, from 0; None: vLLM chooses.
        reasoning_ended: Whether guided decoding begins at once; None: vLLM looks for itself.
        reasoning_parser_kwargs: Arguments of vLLM's reasoning parser for this request.
        handover: Of a prefill: what its decode worker is given.
        prompt_tokens_details: Of a decode: its prefill's, in place of what the core says.
    """

    request_id: str
    prompt: TokensInput
    params: SamplingParams
    prompt_tokens: int
    lora_name: str | None = None
    trace_headers: Mapping[str, str] | None = None
    priority: int = 0
    data_parallel_rank: int | None = None
    reasoning_ended: bool | None = None
    reasoning_parser_kwargs: dict[str, Any] | None = None
    handover: Handover | None = None
    prompt_tokens_details: Mapping[str, Any] | None = None

    @property
    def logprobs(self) -> int | None:
        """Candidates per token whose log probabilities are wanted, -1: all; None: none at all."""
        count: int | None = self.params.num_logprobs
        return count

    @property
    def by_socket(self) -> bool:
        """Whether the socket can serve it: tokens and their log probabilities, nothing more."""
        return self.handover is None and self.params.prompt_logprobs is None and self.logprobs != -1
