"""Regular expressions, as ECMA-262 writes them, become expressions of a grammar.

What a grammar cannot say is refused by its name: lookaround, references to groups, word borders,
flags, and anchors that are not at the ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....exceptions import InvalidArgument
from .characters import ALL
from .regex_parser import parse
from .regex_tree import END, START, Alternatives, Anchor, Node, Repeat, Run, is_empty, without_empty
from .rules import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable

    from .characters import Characters
    from .rules import Rules

_MOST_PARTS = 100_000


def regex_gbnf(
    pattern: str,
    rules: Rules,
    *,
    symbol: Callable[[Characters], str] | None = None,
    searches: bool = False,
) -> str:
    """The texts that a pattern matches, as an expression of a grammar.

    Args:
        pattern: The regular expression.
        rules: Takes the rules that the expression refers to.
        symbol: How one character of a set is written; None: as itself.
        searches: Whether a match may be anywhere in the text, as in JSON schemas. Else it is the
            whole text.

    Raises:
        InvalidArgument: The pattern is not valid, or has what a grammar cannot say.
    """
    writer = _Writer(pattern, rules, symbol or (lambda characters: characters.gbnf))
    return writer.alternatives(_ends(parse(pattern), pattern, searches=searches))


def _ends(node: Node, pattern: str, *, searches: bool) -> Node:
    """The tree without anchors; what they leave open is filled where the pattern is searched."""
    branches = node.branches if isinstance(node, Alternatives) else (node,)
    anything = Repeat(ALL, 0, None)
    found: list[Node] = []
    for branch in branches:
        parts = list(branch.parts if isinstance(branch, Run) else (branch,))
        starts, ends = START in parts[:1], END in parts[-1:]
        while parts[:1] == [START]:
            del parts[0]
        while parts[-1:] == [END]:
            del parts[-1]
        if len(parts) == 1 and isinstance(parts[0], Alternatives) and not (starts or ends):
            found.append(_ends(parts[0], pattern, searches=searches))
            continue
        if any(_has_anchor(part) for part in parts):
            raise InvalidArgument(
                f"the pattern {pattern!r} has an anchor, ^ or $, that is not at its beginning or "
                "end, which the llama-cpp engine does not have"
            )
        if searches:
            parts = [*([] if starts else [anything]), *parts, *([] if ends else [anything])]
        found.append(Run(tuple(parts)))
    return Alternatives(tuple(found))


def _has_anchor(node: Node) -> bool:
    if isinstance(node, Repeat):
        return _has_anchor(node.part)
    if isinstance(node, Run | Alternatives):
        return any(map(_has_anchor, node.parts if isinstance(node, Run) else node.branches))
    return isinstance(node, Anchor)


class _Writer:
    """Writes a tree without anchors."""

    def __init__(self, pattern: str, rules: Rules, symbol: Callable[[Characters], str]) -> None:
        self._pattern = pattern
        self._rules = rules
        self._symbol = symbol
        self._parts = 0

    def alternatives(self, node: Node) -> str:
        """An expression that may have alternatives at its top."""
        if isinstance(node, Alternatives):
            branches = (self.alternatives(branch) or EMPTY for branch in node.branches)
            return " | ".join(dict.fromkeys(branches))
        if isinstance(node, Run):
            return " ".join(filter(None, map(self._part, node.parts)))
        return self._part(node)

    def _part(self, node: Node) -> str:
        """An expression that can stand in a sequence; empty where there is nothing."""
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise InvalidArgument(f"the pattern {self._pattern!r} is too large: simplify it")
        if isinstance(node, Repeat):
            return self._repeat(node)
        if isinstance(node, Run | Alternatives):
            body = self.alternatives(node)
            return self._rules.add(body) if body else ""
        assert not isinstance(node, Anchor)
        if not node:
            raise InvalidArgument(
                f"the pattern {self._pattern!r} has a class of characters that matches none"
            )
        return self._symbol(node)

    def _repeat(self, node: Repeat) -> str:
        # Else a repetition could go on without a character, which llama.cpp refuses.
        part = without_empty(node.part)
        low = 0 if is_empty(node.part) else node.low
        if part is None or node.high == 0:
            return ""
        symbol = self._part(part)
        if not symbol.isalnum():
            symbol = self._rules.add(symbol)
        if node.high == 1 and low == 0:
            return f"{symbol}?"
        return self._rules.repeated(symbol, low, node.high).strip()
