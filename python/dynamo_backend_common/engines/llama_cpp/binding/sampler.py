"""What chooses tokens: chains of llama.cpp's samplers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .library import library

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .grammar import Grammar
    from .prototype import Prototype

RANDOM_SEED: Final = 0xFFFFFFFF
"""The seed that makes llama.cpp draw one."""


class Sampler:
    """A chain of llama.cpp's samplers, applied in the order in which they are added.

    Attributes:
        chain: llama.cpp's own handle.
        grammar: llama.cpp's handle of what the output is held to, or None.
        counts_impossible: Whether a forbidden token, of minus infinity, does no harm to it.
    """

    def __init__(self) -> None:
        self._c = library()
        self.grammar: Any = None
        self.counts_impossible = True
        parameters = self._c.llama_sampler_chain_default_params()
        self.chain: Any = self._c.llama_sampler_chain_init(parameters)

    def add_copy(self, prototype: Prototype) -> None:
        """Does what ``prototype`` does, with what that was told of."""
        self._add(prototype.copy())

    def add_penalties(
        self, vocab_size: int, window: int, *, frequency: float, presence: float
    ) -> None:
        """Makes tokens less likely that were chosen, of the last ``window``."""
        self._add(
            self._c.llama_sampler_init_penalties(vocab_size, window, 1.0, frequency, presence)
        )

    def add_logit_bias(self, vocab_size: int, bias: Mapping[int, float]) -> None:
        """Adds to the logits of some tokens."""
        entries = (self._c.llama_logit_bias * len(bias))(*bias.items())
        self._add(self._c.llama_sampler_init_logit_bias(vocab_size, len(bias), entries))

    def add_temperature(self, temperature: float) -> None:
        """Divides the logits by ``temperature``."""
        self._add(self._c.llama_sampler_init_temp(temperature))

    def add_dynamic_temperature(self, temperature: float, width: float, exponent: float) -> None:
        """Divides the logits by ``temperature``, give or take ``width``, by their entropy."""
        self._add(self._c.llama_sampler_init_temp_ext(temperature, width, exponent))

    def add_top_n_sigma(self, deviations: float) -> None:
        """Keeps tokens whose logits are at most so many standard deviations below the best."""
        self._add(self._c.llama_sampler_init_top_n_sigma(deviations))

    def add_typical_p(self, probability: float) -> None:
        """Keeps tokens that are as likely as is to be expected, and ``probability`` together."""
        self.counts_impossible = False
        self._add(self._c.llama_sampler_init_typical(probability, 1))

    def add_top_k(self, count: int) -> None:
        """Keeps the ``count`` likeliest tokens."""
        self._add(self._c.llama_sampler_init_top_k(count))

    def add_top_p(self, probability: float) -> None:
        """Keeps the likeliest tokens that have ``probability`` together."""
        self._add(self._c.llama_sampler_init_top_p(probability, 1))

    def add_min_p(self, probability: float) -> None:
        """Keeps tokens that have ``probability`` relative to the likeliest one."""
        self._add(self._c.llama_sampler_init_min_p(probability, 1))

    def add_xtc(self, probability: float, threshold: float, seed: int) -> None:
        """With ``probability``, drops all tokens of at least ``threshold`` but the last of them."""
        self.counts_impossible = False
        self._add(self._c.llama_sampler_init_xtc(probability, threshold, 1, seed))

    def add_greedy(self) -> None:
        """Chooses the likeliest token."""
        self._add(self._c.llama_sampler_init_greedy())

    def add_random(self, seed: int) -> None:
        """Chooses at random, by probability."""
        self._add(self._c.llama_sampler_init_dist(seed))

    def add_mirostat(self, vocab_size: int, seed: int, tau: float, eta: float) -> None:
        """Chooses at random, so that the surprise stays at ``tau``."""
        self._add(self._c.llama_sampler_init_mirostat(vocab_size, seed, tau, eta, 100))

    def add_mirostat_v2(self, seed: int, tau: float, eta: float) -> None:
        """As `add_mirostat`, by the algorithm's second version."""
        self._add(self._c.llama_sampler_init_mirostat_v2(seed, tau, eta))

    def constrain(self, grammar: Grammar) -> None:
        """Holds the output to ``grammar``, from its beginning."""
        self.grammar = grammar.copy()

    def accept(self, token: int) -> None:
        """Tells the samplers, and the grammar, of a token that was chosen without them."""
        self._c.llama_sampler_accept(self.chain, token)
        if self.grammar:
            self._c.llama_sampler_accept(self.grammar, token)

    def _add(self, sampler: Any) -> None:
        self._c.llama_sampler_chain_add(self.chain, sampler)

    def close(self) -> None:
        """Frees the chain with all that is in it; may be called again."""
        for handle in (self.chain, self.grammar):
            if handle:
                self._c.llama_sampler_free(handle)
        self.chain = self.grammar = None
