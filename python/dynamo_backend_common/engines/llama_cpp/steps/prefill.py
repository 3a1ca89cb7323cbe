"""How a prompt is cut into pieces, and who waits for those of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def next_piece(left: int, limit: int) -> int:
    """Length of the next piece of a prompt.

    A piece of one token is computed by other code of llama.cpp than a longer one, with other
    rounding: with none of them a prompt gives the same output to the last bit, however it is cut.

    Args:
        left: Tokens that the prompt still has, at least 1.
        limit: Tokens that a piece may have, at least `options.SMALLEST_PREFILL_CHUNK`.

    Returns:
        A length of 1 only where ``left`` is 1.
    """
    if left <= limit:
        return left
    return limit - 1 if left == limit + 1 else limit


def reads_for_both(prompt: Sequence[int], read: int, other: Sequence[int], size: int) -> bool:
    """Whether the next block that is read of a prompt is one of another prompt too.

    Args:
        prompt: The prompt that is being read.
        read: How much of it has been.
        other: A prompt of which nothing has been read.
        size: Tokens of a block.
    """
    end = (read // size + 1) * size
    # The other's rest must not be one token, see `next_piece`.
    return end <= min(len(prompt), len(other) - 2) and prompt[:end] == other[:end]
