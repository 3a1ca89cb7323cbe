"""The sampler chain of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..binding.sampler import RANDOM_SEED, Sampler

if TYPE_CHECKING:
    from ..binding.model import Model
    from ..request.generation import Generation

# As in vLLM. What the logits are divided by must not make them more than a float can hold.
_COLDEST = 1e-5


def make_sampler(generation: Generation, model: Model) -> Sampler:
    """The chain: what changes logits, the temperature, what cuts by probability, the choice.

    The temperature comes before top-p and min-p, as the OpenAI API's other servers have it, not
    after them as in llama.cpp's own programs.
    """
    sampler = Sampler()
    if generation.grammar is not None:
        sampler.constrain(generation.grammar)
    if generation.token_lists is not None:
        # They may leave no token at all.
        sampler.counts_impossible = False
    _add_penalties(sampler, generation, model)
    if generation.options.temperature < _COLDEST:
        sampler.add_greedy()
        return sampler
    seed = generation.options.seed
    # Modulo keeps every seed of 64 bits away from the value that means a random one.
    _add_choice(sampler, generation, model, RANDOM_SEED if seed is None else seed % RANDOM_SEED)
    return sampler


def _add_penalties(sampler: Sampler, generation: Generation, model: Model) -> None:
    """What makes tokens more or less likely."""
    options = generation.options
    vocab_size, window = model.vocab_size, model.context_length
    if options.logit_bias:
        sampler.add_logit_bias(vocab_size, options.logit_bias)
    # Two links, because only the repetition penalty counts the tokens of the prompt.
    if generation.repetition is not None:
        sampler.add_copy(generation.repetition)
    if options.frequency_penalty or options.presence_penalty:
        sampler.add_penalties(
            vocab_size,
            window,
            frequency=options.frequency_penalty,
            presence=options.presence_penalty,
        )
    if generation.dry is not None:
        sampler.add_copy(generation.dry)


def _add_choice(sampler: Sampler, generation: Generation, model: Model, seed: int) -> None:
    """What cuts the candidates, and chooses one of them at random."""
    options, more = generation.options, generation.samplers
    if more.mirostat:
        # It cuts them itself, by the surprise.
        sampler.add_temperature(options.temperature)
        if more.mirostat == 1:
            sampler.add_mirostat(model.vocab_size, seed, more.mirostat_tau, more.mirostat_eta)
        else:
            sampler.add_mirostat_v2(seed, more.mirostat_tau, more.mirostat_eta)
        return
    if more.top_n_sigma > 0.0:
        sampler.add_top_n_sigma(more.top_n_sigma)
    if options.top_k:
        sampler.add_top_k(min(options.top_k, model.vocab_size))
    if more.dynatemp_range:
        # Not down to 0: there llama.cpp divides by what a float cannot hold.
        width = min(more.dynatemp_range, 0.99 * options.temperature)
        sampler.add_dynamic_temperature(options.temperature, width, more.dynatemp_exponent)
    else:
        sampler.add_temperature(options.temperature)
    if more.typical_p < 1.0:
        sampler.add_typical_p(more.typical_p)
    if options.top_p < 1.0:
        sampler.add_top_p(options.top_p)
    if options.min_p:
        sampler.add_min_p(options.min_p)
    if more.xtc_probability:
        sampler.add_xtc(more.xtc_probability, more.xtc_threshold, seed)
    sampler.add_random(seed)
