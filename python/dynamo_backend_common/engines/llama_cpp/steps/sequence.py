"""One request on its way through the step loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ....messages import Usage
    from ..binding.sampler import Sampler
    from ..request.generation import Generation
    from .token_limits import TokenLimits


class Sequence:
    """The state of a request; belongs to the step loop's thread.

    Attributes:
        generation: What was asked for.
        stream: Id of the stream that its output goes to.
        slot: Sequence number in llama.cpp's context from the first piece of its prompt to its end;
            -1: none.
        sampler: How tokens are chosen, while it runs.
        limits: What holds the output to lists of tokens, while it runs; None: nothing.
        cached: Number of tokens of the prompt that were in the context already; None: not known
            yet, or nothing is ever kept.
        decoded: Number of tokens, of prompt and output, that are in the context.
        output: Tokens of the output.
        last_token: Newest token of the output; it enters the context with the next step.
        cumulative_logprob: Sum of the log probabilities of the output.
    """

    __slots__ = (
        "cached",
        "cumulative_logprob",
        "decoded",
        "generation",
        "last_token",
        "limits",
        "output",
        "sampler",
        "slot",
        "stream",
    )

    def __init__(self, generation: Generation, stream: int) -> None:
        self.generation = generation
        self.stream = stream
        self.slot = -1
        self.sampler: Sampler | None = None
        self.limits: TokenLimits | None = None
        self.cached: int | None = None
        self.decoded = 0
        self.output: list[int] = []
        self.last_token = -1
        self.cumulative_logprob = 0.0

    @property
    def text(self) -> tuple[int, ...]:
        """What is in the context when its newest token is to enter it: the prompt, and output."""
        prompt = self.generation.prompt
        return (*prompt, *self.output[:-1]) if self.output else prompt

    @property
    def unread(self) -> int:
        """Number of tokens of `text` that are not in the context."""
        return max(len(self.generation.prompt) + max(len(self.output) - 1, 0) - self.decoded, 0)

    @property
    def produced(self) -> int:
        """Number of tokens of the output."""
        return len(self.output)

    @property
    def left(self) -> int:
        """Number of tokens that the output may still have."""
        return self.generation.options.max_tokens - self.produced

    def tokens_from(self, place: int) -> list[int]:
        """The tokens of prompt and output from ``place`` on."""
        prompt = self.generation.prompt
        if place >= len(prompt):
            return self.output[place - len(prompt) :]
        return [*prompt[place:], *self.output]

    @property
    def usage(self) -> Usage:
        """What it has used so far."""
        prompt = len(self.generation.prompt)
        usage: Usage = {
            "prompt_tokens": prompt,
            "completion_tokens": self.produced,
            "total_tokens": prompt + self.produced,
        }
        if self.cached is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": self.cached}
        return usage
