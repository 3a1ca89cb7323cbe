"""Log probabilities as vLLM's own `LLM.generate` tells them.

The engine core gives a row for each position: the chosen token first, then the likeliest ones, and
the rank of the chosen one. A token that is twice in a row is told once, with its later rank.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from vllm.logprobs import Logprob
    from vllm.v1.outputs import LogprobsLists, LogprobsTensors

    from ...messages import TopLogprob

_LEAST = -9999.0
"""As vLLM's own server has it, since JSON has no infinity."""

Position = list["TopLogprob"]
"""Candidates at one place of the output, the chosen token first."""


def positions(rows: LogprobsLists | LogprobsTensors, count: int) -> Iterator[Position]:
    """Reads what the engine core sends, of an output or of a prompt.

    Args:
        rows: Tokens, log probabilities and the chosen tokens' ranks.
        count: Candidates that were asked for, -1: all.
    """
    for tokens, values, rank in zip(*(part.tolist() for part in rows[:3]), strict=True):
        ranks = chain((rank,), range(1, (len(values) if count == -1 else count) + 1))
        # A row may have more than were asked for: it is as long as the longest of its batch.
        yield _once(zip(tokens, values, ranks, strict=False))


def positions_of(told: Iterable[Mapping[int, Logprob]]) -> Iterator[Position]:
    """Reads what `AsyncLLM.generate` tells of an output."""
    for position in told:
        yield _once((token, at.logprob, at.rank or 0) for token, at in position.items())


def of_prompt(told: Iterable[Sequence[TopLogprob] | None]) -> list[dict[str, Any] | None]:
    """The log probabilities of a prompt, in the form in which a frontend passes them on.

    Args:
        told: One item for each token of the prompt, None for the first.
    """
    return [
        None
        if position is None
        else {
            # A key of JSON is a text.
            str(at["token_id"]): {"logprob": at["logprob"], "rank": at["rank"]}
            for at in position
        }
        for position in told
    ]


def _once(row: Iterable[tuple[int, float, int]]) -> Position:
    found: dict[int, TopLogprob] = {
        token: {
            "rank": rank,
            "token_id": token,
            "token": None,
            "logprob": max(_LEAST, value),
        }
        for token, value, rank in row
    }
    return list(found.values())
