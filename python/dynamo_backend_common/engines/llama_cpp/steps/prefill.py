"""How a prompt is cut into pieces."""

from __future__ import annotations


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
