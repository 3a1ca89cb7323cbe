"""The penalty of what stands in the prompt, or was said already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .library import library
from .prototype import Prototype

if TYPE_CHECKING:
    from collections.abc import Sequence


class RepetitionPenalty(Prototype):
    """llama.cpp's sampler that makes the tokens of prompt and output less likely."""

    def __init__(
        self, vocab_size: int, prompt: Sequence[int], *, window: int, penalty: float
    ) -> None:
        """Tells it of the prompt, which takes its time where that is long; for any thread.

        Args:
            vocab_size: Number of tokens of the vocabulary.
            prompt: Tokens of the prompt.
            window: Tokens that prompt and output may have: it looks back at all of them.
            penalty: What divides their logits, or multiplies those below 0; 1: off.
        """
        super().__init__(
            library().llama_sampler_init_penalties(vocab_size, window, penalty, 0.0, 0.0)
        )
        # How often a token was there does not count.
        self.accept(dict.fromkeys(prompt))
