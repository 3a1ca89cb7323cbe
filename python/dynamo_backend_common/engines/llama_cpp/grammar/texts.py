"""One of some texts."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from .characters import literal
from .rules import EMPTY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .rules import Rules


def texts_gbnf(texts: Mapping[str, str], rules: Rules) -> str:
    """An expression for one of ``texts``, which has what they begin with in common only once.

    So few ways are open at a time, however many texts there are.

    Args:
        texts: One or more, none with a NUL; for each the expression of what follows it, or an empty
            text.
        rules: Takes the rules that the expression refers to.
    """
    return _one_of(sorted(texts.items()), rules)


def _one_of(texts: list[tuple[str, str]], rules: Rules) -> str:
    (first, following), (last, _) = texts[0], texts[-1]
    if first == last:
        return f"{literal(first)} {following}" if first else following or EMPTY
    # They are sorted: what the first and the last begin with, all do; those that go on alike stand
    # together.
    pairs = enumerate(zip(first, last, strict=False))
    length = next((at for at, (one, other) in pairs if one != other), len(first))
    ends = ((text[length:], follows) for text, follows in texts)
    branches = [_one_of(list(group), rules) for _, group in groupby(ends, lambda end: end[0][:1])]
    return f"{literal(first[:length])} {rules.add(' | '.join(branches))}"
