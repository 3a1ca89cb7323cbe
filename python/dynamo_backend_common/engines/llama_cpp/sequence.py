"""One request on its way through the step loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from .binding import Sampler
    from .generation import Generation

Chunk: TypeAlias = dict[str, Any]
"""A piece of output, in Dynamo's keys; the last one has a ``finish_reason``."""


class Sequence:
    """The state of a request.

    The step loop's thread owns everything but ``outbox`` and ``cancelled``: the event loop reads
    the one and sets the other.

    Attributes:
        generation: What was asked for.
        outbox: Chunks for the request's generator, or the error that ends it.
        cancelled: True when nobody wants more; the next step frees the slot.
        slot: Sequence number in llama.cpp's context, while it runs.
        sampler: How tokens are chosen, while it runs.
        decoded: Number of tokens, of prompt and output, that are in the context.
        produced: Number of tokens of the output.
        last_token: Newest token of the output; it enters the context with the next step.
        cumulative_logprob: Sum of the log probabilities of the output.
    """

    __slots__ = (
        "cancelled",
        "cumulative_logprob",
        "decoded",
        "generation",
        "last_token",
        "outbox",
        "produced",
        "sampler",
        "slot",
    )

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.outbox: asyncio.Queue[Chunk | BaseException] = asyncio.Queue()
        self.cancelled = False
        self.slot = -1
        self.sampler: Sampler | None = None
        self.decoded = 0
        self.produced = 0
        self.last_token = -1
        self.cumulative_logprob = 0.0

    @property
    def prompt_left(self) -> int:
        """Number of tokens of the prompt that are not in the context."""
        return max(len(self.generation.prompt) - self.decoded, 0)

    def chunk(self, tokens: list[int], finish_reason: str | None = None) -> Chunk:
        """A piece of output; with a reason it is the last one, and has the usage."""
        chunk: Chunk = {"token_ids": tokens, "index": 0}
        if finish_reason is not None:
            prompt = len(self.generation.prompt)
            chunk["finish_reason"] = finish_reason
            chunk["completion_usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": self.produced,
                "total_tokens": prompt + self.produced,
            }
        return chunk
