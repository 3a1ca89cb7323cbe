"""What chooses tokens: chains of llama.cpp's samplers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .library import library

if TYPE_CHECKING:
    from collections.abc import Sequence

RANDOM_SEED: Final = 0xFFFFFFFF
"""The seed that makes llama.cpp draw one."""


class Sampler:
    """A chain of llama.cpp's samplers, applied in the order in which they are added.

    Attributes:
        chain: llama.cpp's own handle.
    """

    def __init__(self) -> None:
        self._c = library()
        parameters = self._c.llama_sampler_chain_default_params()
        self.chain: Any = self._c.llama_sampler_chain_init(parameters)

    def add_penalties(
        self,
        vocab_size: int,
        window: int,
        *,
        repetition: float = 1.0,
        frequency: float = 0.0,
        presence: float = 0.0,
        seen: Sequence[int] = (),
    ) -> None:
        """Makes tokens less likely that are ``seen`` or were chosen, of the last ``window``."""
        penalties = self._c.llama_sampler_init_penalties(
            vocab_size, window, repetition, frequency, presence
        )
        for token in seen:
            self._c.llama_sampler_accept(penalties, token)
        self._add(penalties)

    def add_temperature(self, temperature: float) -> None:
        """Divides the logits by ``temperature``."""
        self._add(self._c.llama_sampler_init_temp(temperature))

    def add_top_k(self, count: int) -> None:
        """Keeps the ``count`` likeliest tokens."""
        self._add(self._c.llama_sampler_init_top_k(count))

    def add_top_p(self, probability: float) -> None:
        """Keeps the likeliest tokens that have ``probability`` together."""
        self._add(self._c.llama_sampler_init_top_p(probability, 1))

    def add_min_p(self, probability: float) -> None:
        """Keeps tokens that have ``probability`` relative to the likeliest one."""
        self._add(self._c.llama_sampler_init_min_p(probability, 1))

    def add_greedy(self) -> None:
        """Chooses the likeliest token."""
        self._add(self._c.llama_sampler_init_greedy())

    def add_random(self, seed: int) -> None:
        """Chooses at random, by probability."""
        self._add(self._c.llama_sampler_init_dist(seed))

    def _add(self, sampler: Any) -> None:
        self._c.llama_sampler_chain_add(self.chain, sampler)

    def close(self) -> None:
        """Frees the chain with all that is in it; may be called again."""
        if self.chain:
            self._c.llama_sampler_free(self.chain)
        self.chain = None
