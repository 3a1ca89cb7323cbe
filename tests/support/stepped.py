"""Requests that a scheduler of the engine llama-cpp serves, step by step, with the real model."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

from dynamo_backend_common.engines.llama_cpp.cache.kv_reports import KvReports
from dynamo_backend_common.engines.llama_cpp.cache.prefix_cache import PrefixCache
from dynamo_backend_common.engines.llama_cpp.request.generation import read_request
from dynamo_backend_common.engines.llama_cpp.steps.counts import Counts
from dynamo_backend_common.engines.llama_cpp.steps.scheduler import Scheduler
from dynamo_backend_common.engines.llama_cpp.steps.sequence import Sequence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dynamo_backend_common.engines.llama_cpp.binding.model import Model
    from dynamo_backend_common.engines.llama_cpp.steps.speculation import Speculation

STREAMS = itertools.count(1)


class Stepped:
    """A scheduler and its requests.

    Attributes:
        model: What it computes with.
        counts: What was computed.
        scheduler: What makes the steps.
        steps: Number of steps so far.
        chunks: All chunks of a request, by its stream.
    """

    def __init__(
        self,
        model: Model,
        speculation: Speculation | None = None,
        *,
        piece: int = 32,
        cache_ram: int = 0,
    ) -> None:
        self.model = model
        cache = PrefixCache(
            model.max_num_seqs,
            block_size=16,
            listener=KvReports(),
            states=model,
            cache_ram=cache_ram,
        )
        self.counts = Counts()
        self.scheduler = Scheduler(model, piece, cache, counts=self.counts, speculation=speculation)
        self.steps = 0
        self.chunks: dict[int, list[Any]] = {}

    def sequence(
        self,
        prompt: Iterable[int],
        *,
        stop: dict[str, Any] | None = None,
        sampling: dict[str, Any] | None = None,
        output: dict[str, Any] | None = None,
        grammar: str | None = None,
        **more: Any,
    ) -> Sequence:
        """A request: greedy, without an end, of 16 tokens, but for what is said."""
        request = {
            "token_ids": list(prompt),
            "stop_conditions": {"max_tokens": 16, "ignore_eos": True} | (stop or {}),
            "sampling_options": {"temperature": 0} | (sampling or {}),
            "output_options": output or {},
            **more,
        }
        generation = read_request(
            request,
            context_length=self.model.context_length,
            vocab_size=self.model.vocab_size,
            end_tokens=self.model.end_tokens,
            defaults={},
        )
        if grammar is not None:
            read = self.model.grammar(grammar)
            generation = dataclasses.replace(generation, grammar=read)
        sequence = Sequence(generation, next(STREAMS))
        self.chunks[sequence.stream] = []
        return sequence

    def step(self, **report: Any) -> None:
        """Makes a step; arguments as for the scheduler's."""
        self.steps += 1
        made: Any
        for stream, made, *end in self.scheduler.step(**report):
            chunk = made if isinstance(made, dict) else {"token_ids": made}
            chunk |= dict(zip(("finish_reason", "completion_usage"), end, strict=False))
            self.chunks[int(stream)].append(chunk)

    def finish(self, *sequences: Sequence) -> list[dict[str, Any]]:
        """Serves requests to their end, and says what they got."""
        for sequence in sequences:
            self.scheduler.add(sequence)
        while not self.scheduler.idle:
            self.step()
        return [self.result(sequence) for sequence in sequences]

    def result(self, sequence: Sequence) -> dict[str, Any]:
        """What all chunks of a request have together."""
        chunks = self.chunks[sequence.stream]
        joined = {
            name: [each for chunk in chunks for each in chunk.get(name, ())]
            for name in ("token_ids", "log_probs", "top_logprobs")
        }
        last = {
            name: chunks[-1].get(name)
            for name in ("finish_reason", "completion_usage", "stop_reason")
        }
        # A chunk without a token has none.
        sums = [chunk["cum_log_probs"] for chunk in chunks if "cum_log_probs" in chunk]
        return joined | last | {"cum_log_probs": sums[-1] if sums else None}
