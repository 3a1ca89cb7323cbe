"""DRY, with its breakers looked up once in the vocabulary and copied for each output."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from .library import library
from .prototype import Prototype

if TYPE_CHECKING:
    from collections.abc import Sequence


class Dry(Prototype):
    """llama.cpp's sampler that makes tokens less likely that go on with what was said before."""

    def __init__(
        self,
        vocabulary: Any,
        *,
        multiplier: float,
        base: float,
        allowed_length: int,
        window: int,
        breakers: Sequence[str],
    ) -> None:
        """Looks for each breaker in all tokens: that may take seconds; for any thread.

        Args:
            vocabulary: llama.cpp's own, of the model.
            multiplier: How much less likely.
            base: How much more for each token of the repetition.
            allowed_length: Tokens of a repetition that cost nothing.
            window: Tokens that are looked back at.
            breakers: Texts that no repetition goes over.
        """
        texts = (ctypes.c_char_p * len(breakers))(*(each.encode() for each in breakers))
        super().__init__(
            library().llama_sampler_init_dry(
                vocabulary, multiplier, base, allowed_length, window, texts, len(breakers)
            )
        )
        self._window = window

    def behind(self, prompt: Sequence[int]) -> Prototype:
        """The same, which was told of a prompt; takes its time where that is long; for any thread.

        Args:
            prompt: Tokens of the prompt.
        """
        told = Prototype(self.copy())
        told.accept(prompt[-self._window :])
        return told
