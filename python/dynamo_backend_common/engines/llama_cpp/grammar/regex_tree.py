"""The tree of a regular expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from .characters import Characters


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place: the beginning or the end of the text."""

    sign: str


@dataclass(frozen=True, slots=True)
class Run:
    """Parts that follow each other; none: the empty text."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of some."""

    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part, ``low`` to ``high`` times; None: without a limit."""

    part: Node
    low: int
    high: int | None


Node: TypeAlias = Characters | Anchor | Run | Alternatives | Repeat

START: Final = Anchor("^")
"""The beginning of the text."""
END: Final = Anchor("$")
"""The end of the text."""


def is_empty(node: Node) -> bool:
    """Whether the empty text is among those that it matches."""
    if isinstance(node, Characters):
        return False
    if isinstance(node, Run):
        return all(map(is_empty, node.parts))
    if isinstance(node, Alternatives):
        return any(map(is_empty, node.branches))
    return isinstance(node, Anchor) or node.low == 0 or is_empty(node.part)


def without_empty(node: Node) -> Node | None:
    """What it matches but for the empty text; None: nothing is left."""
    if not is_empty(node):
        return node
    if isinstance(node, Run):
        parts = node.parts
        firsts = [(without_empty(part), parts[at + 1 :]) for at, part in enumerate(parts)]
        return _one_of([Run((first, *rest)) for first, rest in firsts if first is not None])
    if isinstance(node, Alternatives):
        branches = map(without_empty, node.branches)
        return _one_of([branch for branch in branches if branch is not None])
    if isinstance(node, Repeat) and node.high != 0:
        part = without_empty(node.part)
        return None if part is None else Repeat(part, 1, node.high)
    return None


def _one_of(branches: list[Node]) -> Node | None:
    return Alternatives(tuple(branches)) if branches else None
