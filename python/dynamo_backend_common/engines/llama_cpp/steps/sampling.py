"""The sampler chain of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..binding.sampler import RANDOM_SEED, Sampler

if TYPE_CHECKING:
    from ..binding.model import Model
    from ..request.generation import Generation


def make_sampler(generation: Generation, model: Model) -> Sampler:
    """The chain: penalties, top-k, temperature, top-p, min-p, choice.

    The temperature comes before top-p and min-p, as the OpenAI API's other servers have it, not
    after them as in llama.cpp's own programs.
    """
    sampling, sampler = generation.options, Sampler()
    vocab_size, window = model.vocab_size, model.context_length
    # Two links, because only the repetition penalty counts the tokens of the prompt.
    if sampling.repetition_penalty != 1.0:
        sampler.add_penalties(
            vocab_size, window, repetition=sampling.repetition_penalty, seen=generation.prompt
        )
    if sampling.frequency_penalty or sampling.presence_penalty:
        sampler.add_penalties(
            vocab_size,
            window,
            frequency=sampling.frequency_penalty,
            presence=sampling.presence_penalty,
        )
    if sampling.temperature == 0.0:
        sampler.add_greedy()
        return sampler
    if sampling.top_k:
        sampler.add_top_k(sampling.top_k)
    sampler.add_temperature(sampling.temperature)
    if sampling.top_p < 1.0:
        sampler.add_top_p(sampling.top_p)
    if sampling.min_p:
        sampler.add_min_p(sampling.min_p)
    # Modulo keeps every seed of 64 bits away from the value that means a random one.
    sampler.add_random(RANDOM_SEED if sampling.seed is None else sampling.seed % RANDOM_SEED)
    return sampler
