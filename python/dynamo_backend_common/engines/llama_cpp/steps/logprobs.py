"""Log probabilities of chosen tokens and of the likeliest alternatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ....messages import TopLogprob
    from ..binding.model import Model


class TokenLogprobs:
    """The log probabilities at one place, of the model itself: before penalties and temperature."""

    def __init__(self, model: Model, index: int) -> None:
        """Reads the logits at ``index`` of the last batch; must come before any change of them."""
        import numpy as np  # a dependency of llama-cpp-python

        self._model = model
        logits = model.logits(index).astype(np.float64)
        highest = logits.max()
        self._values = logits - highest - np.log(np.exp(logits - highest).sum())

    def of(self, token: int) -> float:
        """Log probability of ``token``."""
        return float(self._values[token])

    def top(self, count: int) -> list[TopLogprob]:
        """The ``count`` likeliest tokens, best first, in Dynamo's keys."""
        count = min(count, len(self._values))
        if count == 0:
            return []
        likeliest = self._values.argpartition(-count)[-count:]
        ordered = likeliest[(-self._values[likeliest]).argsort(kind="stable")]
        return [self._entry(rank, int(token)) for rank, token in enumerate(ordered, start=1)]

    def _entry(self, rank: int, token: int) -> TopLogprob:
        piece = self._model.piece(token)
        return {
            "rank": rank,
            "token_id": token,
            "token": piece.decode(errors="replace"),
            "logprob": self.of(token),
            "bytes": list(piece),
        }
