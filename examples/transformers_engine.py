"""Serves a model of Hugging Face's transformers, one forward pass for each token.

    pip install torch transformers
    cd examples
    dynamo-backend serve transformers_engine:Transformers --http-port 8000 -- \
        --model HuggingFaceTB/SmolLM2-135M-Instruct

`generate` is a plain `def`: torch blocks, so each request has a thread of its own. Nothing is
batched; `step_loop.py` shows how an engine does that.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM

from dynamo_backend_common import (
    EngineConfig,
    GenerationOptions,
    InvalidArgument,
    Unsupported,
    WorkerConfig,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dynamo_backend_common import Chunk, Request, RequestContext

AT_ONCE = 4
"""Requests at a time, unless the operator sets it: they share the processor."""
UNSUPPORTED = Unsupported(
    "transformers",
    {
        "stop_conditions": {"min_tokens": (0,)},
        "sampling_options": {
            "n": (1,),
            "best_of": (1,),
            "guided_decoding": (),
            "use_beam_search": (False,),
            "min_p": (0,),
            "repetition_penalty": (1,),
            "presence_penalty": (0,),
            "frequency_penalty": (0,),
        },
        "output_options": {"logprobs": (), "prompt_logprobs": ()},
    },
)
"""What it refuses, by the part of the request, but for the values listed: they change nothing."""


class Transformers:
    """One model, whose weights all requests share; each has a KV cache of its own."""

    def __init__(self, model: str) -> None:
        """`start` loads it; ``model`` is a folder, or a name on the hub."""
        self.name = model
        self.model: Any = None
        self.context_length = 0
        self.vocabulary = 0

    @classmethod
    def from_args(cls, argv: Sequence[str]) -> Transformers:
        """Makes the engine from what follows ``--`` on the command line."""
        parser = argparse.ArgumentParser(prog="dynamo-backend serve transformers_engine:… --")
        parser.add_argument("--model", required=True, help="a folder, or a name on the hub")
        return cls(**vars(parser.parse_args(argv)))

    def configure(self, config: WorkerConfig) -> WorkerConfig:
        """Fills in what the operator left open: frontends take the tokenizer from the model."""
        return dataclasses.replace(
            config,
            model_name=config.model_name or self.name,
            max_concurrent_requests=config.max_concurrent_requests or AT_ONCE,
        )

    async def start(self, worker_id: int) -> EngineConfig:
        """Loads the weights, in a thread: the worker goes on answering /live meanwhile."""
        self.model = await asyncio.to_thread(AutoModelForCausalLM.from_pretrained, self.name)
        self.context_length = self.model.config.max_position_embeddings
        self.vocabulary = self.model.config.vocab_size
        return EngineConfig(model=self.name, context_length=self.context_length)

    def generate(self, request: Request, context: RequestContext) -> Iterator[Chunk]:
        """Answers one request, in a thread."""
        UNSUPPORTED.refuse_in(request)
        prompt = self.prompt_of(request)
        options = GenerationOptions.read(
            request, context_length=self.context_length, vocab_size=self.vocabulary
        )
        generator = torch.Generator()
        if options.seed is not None:
            generator.manual_seed(options.seed)
        new, cache, made = prompt, None, 0
        reason = "length"
        while made < options.max_tokens:
            if context.is_stopped():
                reason = "cancelled"
                break
            with torch.inference_mode():
                step = self.model(torch.tensor([new]), past_key_values=cache, use_cache=True)
                token = choose(step.logits[0, -1], options, generator)
            if token in options.ends:
                reason = options.ends[token]
                break
            new, cache = [token], step.past_key_values
            made += 1
            yield {"token_ids": new}
        yield {
            "token_ids": [],
            "finish_reason": reason,
            "completion_usage": {
                "prompt_tokens": len(prompt),
                "completion_tokens": made,
                "total_tokens": len(prompt) + made,
            },
        }

    def prompt_of(self, request: Request) -> list[int]:
        """The prompt, which fits the model."""
        prompt = list(request["token_ids"])
        if not 0 < len(prompt) < self.context_length:
            raise InvalidArgument(
                f"the prompt has {len(prompt)} tokens; accepted: 1 to {self.context_length - 1}"
            )
        if max(prompt) >= self.vocabulary:
            raise InvalidArgument(
                f"the prompt has the token {max(prompt)}, which the model does not have"
            )
        return prompt

    async def health_check_payload(self) -> Mapping[str, Any]:
        """The worker's probe, after a while without requests: one token."""
        return {
            "token_ids": [0],
            "stop_conditions": {"max_tokens": 1},
            "sampling_options": {"temperature": 0.0},
            "output_options": {},
        }

    async def cleanup(self) -> None:
        """Lets go of the weights."""
        self.model = None


def choose(logits: torch.Tensor, options: GenerationOptions, generator: torch.Generator) -> int:
    """The next token: the likeliest, or one of the likeliest by chance."""
    if options.temperature == 0:
        return int(logits.argmax())
    ordered, tokens = (logits.float() / options.temperature).sort(descending=True)
    likely = ordered.softmax(0)
    # A token stays while those before it have less than top_p together.
    kept = likely.cumsum(0) - likely < options.top_p
    kept[0] = True
    if options.top_k > 0:
        kept[options.top_k :] = False
    return int(tokens[(likely * kept).multinomial(1, generator=generator)])
