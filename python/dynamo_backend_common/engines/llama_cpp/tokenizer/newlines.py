"""Newlines that are one token together, in vocabularies whose list of merges does not make them.

llama.cpp takes such a token as it is where a run of newlines is exactly that long.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from ....exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .pretokenizers import PreTokenizer


def whole_newlines(
    recipe: PreTokenizer, tokens: Sequence[str], merges: list[tuple[str, str]]
) -> tuple[PreTokenizer, list[tuple[str, str]]]:
    """``recipe`` and ``merges`` so that runs of newlines become the tokens that there are.

    Raises:
        InvalidArgument: Merges and tokens of newlines contradict each other.
    """
    lengths = sorted(len(token) for token in tokens if not token.strip("\n"))
    ours = [pair for pair in merges if not "".join(pair).strip("\n")]
    if all(_join(length, ours) == ["\n" * length] for length in lengths):
        return recipe, merges
    if ours or lengths != list(range(1, len(lengths) + 1)):
        raise InvalidArgument(
            "tokenizer.ggml.merges does not make all tokens of newlines (of length "
            f"{', '.join(map(str, lengths))}): tokenizer.json cannot express this. Give "
            "--model-name the model's own folder or hub name"
        )
    # A longer run than the longest token stays apart. What has grown most grows first: else the
    # newlines behind it would join each other.
    run = rf"(?<!\n)\n{{1,{lengths[-1]}}}(?!\n)"
    grow = [("\n" * (length - 1), "\n") for length in lengths[:0:-1]]
    return replace(recipe, patterns=(rf"[^\n]+|{run}|\n",)), [*merges, *grow]


def _join(length: int, merges: list[tuple[str, str]]) -> list[str]:
    """What BPE makes of a run of newlines."""
    ranks = {pair: rank for rank, pair in reversed(list(enumerate(merges)))}
    parts = ["\n"] * length
    while True:
        pairs = list(pairwise(parts))
        best = min((pair for pair in pairs if pair in ranks), key=ranks.__getitem__, default=None)
        if best is None:
            return parts
        place = pairs.index(best)
        parts[place : place + 2] = ["".join(best)]
