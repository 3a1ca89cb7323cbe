"""One of some texts."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from .characters import literal
from .rules import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .rules import Rules


def texts_gbnf(texts: Iterable[str], rules: Rules) -> str:
    """An expression for one of ``texts``, which has what they begin with in common only once.

    So few ways are open at a time, however many texts there are.

    Args:
        texts: One or more, none with a NUL.
        rules: Takes the rules that the expression refers to.
    """
    return _one_of(sorted(set(texts)), rules)


def _one_of(texts: list[str], rules: Rules) -> str:
    first, last = texts[0], texts[-1]
    if first == last:
        return literal(first)
    # They are sorted: what the first and the last begin with, all do; those that go on alike stand
    # together, and one that ends here is the first.
    pairs = enumerate(zip(first, last, strict=False))
    length = next((at for at, (one, other) in pairs if one != other), len(first))
    begin = first[:length]
    ends = (text[len(begin) :] for text in texts)
    branches = [
        _one_of(list(group), rules) if initial else EMPTY
        for initial, group in groupby(ends, key=lambda end: end[:1])
    ]
    return f"{literal(begin)} {rules.add(' | '.join(branches))}"
