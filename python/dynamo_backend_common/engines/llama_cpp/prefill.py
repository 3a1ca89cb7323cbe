"""How a step's room for prompts is shared, so that a long prompt keeps no short one waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def share(wanted: Sequence[int], room: int) -> list[int]:
    """Divides ``room`` tokens among prompts.

    Every prompt gets the same, and what short ones leave over goes to the longer ones.

    Args:
        wanted: Tokens that each prompt still has.
        room: Tokens to give away.

    Returns:
        Tokens for each prompt, in the order of ``wanted``; some may be 0.
    """
    shares = [0] * len(wanted)
    by_size = sorted(range(len(wanted)), key=wanted.__getitem__)
    for place, index in enumerate(by_size):
        # Rounded up, so that even a single token of room is given to somebody.
        shares[index] = min(wanted[index], -(-room // (len(by_size) - place)))
        room -= shares[index]
    return shares
