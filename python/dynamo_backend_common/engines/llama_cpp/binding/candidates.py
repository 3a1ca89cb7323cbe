"""The tokens that may come next, of which samplers choose one."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from .library import library

if TYPE_CHECKING:
    from .sampler import Sampler

# One takes a millisecond or two, and the grammar for all tokens of a vocabulary twenty.
_TRIES = 4


class Candidates:
    """Room for all tokens of a vocabulary with their logits; belongs to the step loop's thread."""

    def __init__(self, vocab_size: int) -> None:
        """Makes room for ``vocab_size`` tokens."""
        import numpy as np  # a dependency of llama-cpp-python

        self._c = library()
        # llama.cpp's structures: a token, its logit, and room for its probability.
        self._logits = np.empty((vocab_size, 3), dtype=np.float32)
        self._tokens = self._logits.view(np.int32)
        self._array = self._c.llama_token_data_array()
        self._one = (self._c.llama_token_data * 1)()

    def choose(self, logits: Any, sampler: Sampler) -> int | None:
        """Chooses a token, and tells the sampler of it.

        The grammar is asked about the token that would be chosen without it, and where it rejects
        some in turn, about all others: that takes far longer.

        Args:
            logits: The numpy array of the logits of all tokens; minus infinity forbids one. Those
                of tokens that were rejected become that.
            sampler: What chooses.

        Returns:
            The token; None: none is allowed.
        """
        token = self._first_allowed(logits, sampler)
        if token is not None:
            sampler.accept(token)
        return token

    def _first_allowed(self, logits: Any, sampler: Sampler) -> int | None:
        for _ in range(_TRIES):
            self._fill(logits)
            token = self._chosen(sampler)
            if token is None or not sampler.grammar or self._allows(sampler.grammar, token):
                return token
            logits[token] = float("-inf")
        self._fill(logits)
        self._hold_to(sampler.grammar)
        return self._chosen(sampler)

    def _fill(self, logits: Any) -> None:
        import numpy as np

        # Some samplers cannot count with a token that is impossible.
        possible = np.flatnonzero(logits > -np.inf)
        self._logits[: len(possible), 1] = logits[possible]
        self._tokens[: len(possible), 0] = possible
        self._begin(len(possible))

    def _hold_to(self, grammar: Any) -> None:
        """Leaves only what the grammar allows."""
        import numpy as np

        self._c.llama_sampler_apply(grammar, ctypes.byref(self._array))
        allowed = np.flatnonzero(self._logits[: self._array.size, 1] > -np.inf)
        self._logits[: len(allowed)] = self._logits[allowed]
        self._begin(len(allowed))

    def _begin(self, size: int) -> None:
        self._array.data = self._logits.ctypes.data_as(ctypes.POINTER(self._c.llama_token_data))
        self._array.size = size
        self._array.selected = -1
        self._array.sorted = False

    def _chosen(self, sampler: Sampler) -> int | None:
        if not self._array.size:
            return None
        self._c.llama_sampler_apply(sampler.chain, ctypes.byref(self._array))
        token: int = self._array.data[self._array.selected].id
        return token

    def _allows(self, grammar: Any, token: int) -> bool:
        self._one[0].id, self._one[0].logit = token, 0.0
        array = self._c.llama_token_data_array(self._one, 1, -1, False)
        self._c.llama_sampler_apply(grammar, ctypes.byref(array))
        return bool(self._one[0].logit == 0.0)
