"""What a step makes for one request: the tokens that follow, chosen one by one, and its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .end_reason import end_reason
from .logprobs import TokenLogprobs

if TYPE_CHECKING:
    from collections.abc import Sequence as List

    from ....messages import Chunk, FinishReason, Step, TopLogprob
    from ..binding.model import Model
    from .sequence import Sequence


@dataclass(kw_only=True, slots=True)
class Output:
    """What a step made for one request.

    Attributes:
        tokens: New tokens of the output.
        accepted: Tokens of the draft that were chosen.
        reason: Why the output ends; None: it does not.
        log_probs: The log probability of each token, where it is wanted.
        top_logprobs: The likeliest tokens at the place of each, where they are wanted.
    """

    tokens: list[int] = field(default_factory=list)
    accepted: int = 0
    reason: FinishReason | None = None
    log_probs: list[float] = field(default_factory=list)
    top_logprobs: list[list[TopLogprob]] = field(default_factory=list)


def choose(model: Model, sequence: Sequence, place: int, draft: List[int] = ()) -> Output:
    """Chooses the next tokens of a request, up to the first that is not the draft's.

    Each is what the request's own sampler chooses by the model's logits: a draft decides only how
    many of them are had at once.

    Args:
        model: Has decoded a batch with the request's newest token, and the draft behind it.
        sequence: The request, which takes the tokens.
        place: The newest token's place in the batch.
        draft: What is in the batch behind it.
    """
    output = Output()
    for offset in range(len(draft) + 1):
        token = _choose_one(model, sequence, place + offset, output)
        if output.reason is not None or offset == len(draft) or token != draft[offset]:
            break
        output.accepted += 1
    return output


def _choose_one(model: Model, sequence: Sequence, place: int, output: Output) -> int | None:
    options = sequence.generation.options
    assert sequence.sampler is not None
    # Before any logit is forbidden: log probabilities are the model's own.
    logprobs = None if options.logprobs is None else TokenLogprobs(model, place)
    if sequence.produced < options.min_tokens:
        model.forbid(place, options.ends)
    if sequence.limits is not None:
        sequence.limits.apply(model.logits(place))
    token = model.sample(place, sequence.sampler)
    output.reason = end_reason(token, sequence.generation, model)
    if token is None:
        sequence.last_token = -1
        return None
    sequence.last_token = token
    if sequence.limits is not None:
        sequence.limits.took(token)
    if output.reason is None or token in options.visible_ends:
        sequence.output.append(token)
        output.tokens.append(token)
        if logprobs is not None and options.logprobs is not None:
            output.log_probs.append(logprobs.of(token))
            output.top_logprobs.append(logprobs.top(options.logprobs))
    if output.reason is None and sequence.left <= 0:
        output.reason = "length"
    return token


def as_step(sequence: Sequence, output: Output) -> Step:
    """What is pushed of ``output``: no more than it has, as most steps have tokens only."""
    options, stream, reason = sequence.generation.options, sequence.stream, output.reason
    wants_logprobs = options.logprobs is not None
    # With the first token too: who ends the output early has that chunk only.
    is_first = 0 < sequence.produced == len(output.tokens)
    tells_cached = is_first and sequence.cached is not None
    if reason is None and not wants_logprobs and not tells_cached:
        return stream, output.tokens
    is_asked_end = reason is not None and sequence.last_token in options.asked_ends
    if reason is not None and not wants_logprobs and not is_asked_end:
        return stream, output.tokens, reason, sequence.usage
    chunk: Chunk = {"token_ids": output.tokens}
    if tells_cached:
        chunk["completion_usage"] = sequence.usage
    if output.log_probs:
        # One by one: the sum does not depend on how many come at once.
        for log_prob in output.log_probs:
            sequence.cumulative_logprob += log_prob
        chunk["log_probs"] = output.log_probs
        chunk["cum_log_probs"] = sequence.cumulative_logprob
        chunk["top_logprobs"] = output.top_logprobs
    if reason is not None:
        chunk["finish_reason"] = reason
        chunk["completion_usage"] = sequence.usage
        if is_asked_end:
            chunk["stop_reason"] = sequence.last_token
    return stream, chunk
