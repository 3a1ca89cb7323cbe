"""How sequences that compute several tokens each are put into batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


def equal_batches(
    entries: Iterable[T], length: Callable[[T], int], limit: int
) -> Iterator[list[T]]:
    """Puts entries of the same length together.

    llama.cpp cuts a batch of unequal sequences at places that depend on all of them, and rounds
    otherwise by the cut; one of equal sequences it computes whole.

    Args:
        entries: What is to be computed.
        length: Number of an entry's tokens, at least 1.
        limit: Tokens of a batch, at least as many as the longest entry has.

    Yields:
        The entries of a batch, in their order.
    """
    groups: dict[int, list[T]] = {}
    for entry in entries:
        groups.setdefault(length(entry), []).append(entry)
    for size, group in groups.items():
        count = limit // size
        for start in range(0, len(group), count):
            yield group[start : start + count]
