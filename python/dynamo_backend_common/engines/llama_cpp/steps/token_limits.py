"""Holds an output to a request's lists of tokens."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..request.token_lists import TokenLists


class TokenLimits:
    """The lists of one request, and what they need to know of its output."""

    def __init__(self, lists: TokenLists) -> None:
        """Begins before the first token."""
        import numpy as np  # a dependency of llama-cpp-python

        # For each token anew it would take as long as the choice, of a list that has most tokens.
        self._allowed = None if lists.allowed is None else np.array(sorted(lists.allowed))
        self._bad_words = lists.bad_words
        longest = max(map(len, lists.bad_words), default=1)
        self._newest: deque[int] = deque(maxlen=longest)

    def apply(self, logits: Any) -> None:
        """Makes what may not come next impossible.

        Args:
            logits: The numpy array of the logits of all tokens.
        """
        import numpy as np  # a dependency of llama-cpp-python

        if self._allowed is not None:
            kept = logits[self._allowed]
            logits[:] = -np.inf
            logits[self._allowed] = kept
        output = tuple(self._newest)
        for *begin, last in self._bad_words:
            if not begin or output[-len(begin) :] == tuple(begin):
                logits[last] = -np.inf

    def took(self, token: int) -> None:
        """Learns which token was chosen."""
        self._newest.append(token)
