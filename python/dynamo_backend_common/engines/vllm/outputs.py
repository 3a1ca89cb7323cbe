"""What vLLM gives for one request becomes the chunks of its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...disaggregation import prefill_chunk
from ...exceptions import Disconnected, Unknown
from .logprobs import of_prompt, positions, positions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vllm.outputs import RequestOutput
    from vllm.v1.engine import EngineCoreOutput

    from ...messages import Chunk, FinishReason, Usage
    from .call import Call
    from .logprobs import Position

_FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "abort": "cancelled",
    "repetition": "stop",
}


class Output:
    """The state of one request's stream."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._tokens = 0
        self._is_first = True
        self._cached_tokens: int | None = None
        self._prompt: list[Position | None] | None = None
        if call.params.prompt_logprobs is not None:
            # Nothing comes before the first token, so it has no probability.
            self._prompt = [None]

    def chunk(self, output: EngineCoreOutput) -> Chunk | Disconnected | Unknown:
        """The next chunk, of a step of the engine core's.

        Returns:
            What is to be pushed: a chunk, or the error that the request ends with.
        """
        if output.new_prompt_logprobs_tensors is not None and self._prompt is not None:
            count = self._call.params.prompt_logprobs
            self._prompt.extend(positions(output.new_prompt_logprobs_tensors, count))
        if output.prefill_stats is not None:
            self._cached_tokens = output.prefill_stats.num_cached_tokens
        told: Iterable[Position] | None = None
        if output.new_logprobs is not None and (count := self._call.logprobs) is not None:
            told = positions(output.new_logprobs, count)
        return self._chunk(
            output.new_token_ids,
            told,
            None if output.finish_reason is None else str(output.finish_reason),
            output.stop_reason,
            output.kv_transfer_params,
        )

    def chunk_of_request_output(self, output: RequestOutput) -> Chunk | Disconnected | Unknown:
        """The next chunk, of what `AsyncLLM.generate` yields.

        Returns:
            What is to be pushed: a chunk, or the error that the request ends with.
        """
        if output.prompt_logprobs and self._prompt is not None:
            # The first one is of the first token, which has none.
            self._prompt.extend(positions_of(output.prompt_logprobs[1:]))
        if output.num_cached_tokens is not None:
            self._cached_tokens = output.num_cached_tokens
        one = output.outputs[0]
        return self._chunk(
            one.token_ids,
            None if one.logprobs is None else positions_of(one.logprobs),
            one.finish_reason,
            one.stop_reason,
            output.kv_transfer_params,
        )

    def _chunk(
        self,
        tokens: Sequence[int],
        told: Iterable[Position] | None,
        finish_reason: str | None,
        stop_reason: str | int | None,
        transfer: Mapping[str, Any] | None,
    ) -> Chunk | Disconnected | Unknown:
        self._tokens += len(tokens)
        if finish_reason == "error":
            return self._failure()
        if finish_reason in ("length", "stop") and self._call.handover is not None:
            params = self._call.handover.disaggregated_params(transfer)
            return prefill_chunk(list(tokens), params, completion_usage=self._usage())
        chunk: Chunk = {"token_ids": tokens}
        if told is not None and tokens:
            candidates = list(told)
            chunk["top_logprobs"] = candidates
            chunk["log_probs"] = [position[0]["logprob"] for position in candidates]
        if finish_reason is not None:
            chunk["finish_reason"] = _FINISH_REASONS[finish_reason]
            if stop_reason is not None:
                chunk["stop_reason"] = stop_reason
            if self._prompt is not None:
                # A frontend looks for it in the last chunk, and nowhere else.
                chunk["engine_data"] = {"prompt_logprobs": of_prompt(self._prompt)}
        if self._is_first or finish_reason is not None:
            chunk["completion_usage"] = self._usage()
        self._is_first = False
        return chunk

    def _failure(self) -> Disconnected | Unknown:
        said = f"vLLM gave up the request {self._call.request_id!r} after {self._tokens} tokens"
        if self._tokens and self._call.params.structured_outputs is not None:
            # Another worker would begin with the grammar anew, in the middle of the output.
            return Unknown(f"{said}: no token that it had fits the guided decoding; see its log")
        return Disconnected(f"{said}, as where a KV cache could not be loaded; see its log")

    def _usage(self) -> Usage:
        prompt = self._call.prompt_tokens
        usage: Usage = {
            "prompt_tokens": prompt,
            "completion_tokens": self._tokens,
            "total_tokens": prompt + self._tokens,
        }
        details = self._call.prompt_tokens_details
        if details is None and self._cached_tokens is not None:
            details = {"cached_tokens": self._cached_tokens}
        if details:
            usage["prompt_tokens_details"] = dict(details)
        return usage
