"""Looks at a grammar before llama.cpp does, which some grammars keep busy for ever, or end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ....exceptions import InvalidArgument
from .gbnf_parser import Choice, Item, Repetition, Rule, Terminal, parse_gbnf
from .gbnf_stacks import refuse_ambiguous
from .rules import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_STEPS = 100_000
_MOST_ELEMENTS = 1_000_000


def check_gbnf(text: str) -> str:
    """Refuses a grammar that llama.cpp cannot use.

    Returns:
        The grammar as llama.cpp takes it.

    Raises:
        InvalidArgument: It is not valid, too large, has no rule ``root``, refers to a rule that
            there is not, to one that begins with itself, or is too ambiguous.
    """
    if len(text) > LARGEST:
        raise InvalidArgument(f"the grammar has {len(text)} characters; {LARGEST} is the limit")
    if "\0" in text:
        raise InvalidArgument("the grammar has a character NUL, which ends it for llama.cpp")
    rules, text = parse_gbnf(text)
    _Check(rules).whole()
    refuse_ambiguous(rules)
    return text


class _Check:
    """The rules of a grammar."""

    def __init__(self, rules: dict[str, Choice]) -> None:
        self._rules = rules
        self._empty: set[str] = set()
        self._steps: dict[str, int | None] = {}

    def whole(self) -> None:
        if "root" not in self._rules:
            raise InvalidArgument("the grammar has no rule 'root', which is what an output must be")
        for name, rule in self._rules.items():
            for used in _references(rule):
                if used not in self._rules:
                    raise InvalidArgument(
                        f"the grammar's rule '{name}' refers to '{used}', which is not defined"
                    )
        while found := {
            name
            for name, rule in self._rules.items()
            if name not in self._empty and self._may_be_empty(rule)
        }:
            self._empty |= found
        for name in self._rules:
            self._first_steps(name)
        if sum(map(_elements, self._rules.values())) > _MOST_ELEMENTS:
            raise InvalidArgument(
                f"the grammar has more than {_MOST_ELEMENTS} elements, counting repetitions"
            )

    def _may_be_empty(self, item: Item) -> bool:
        if isinstance(item, Terminal):
            return False
        if isinstance(item, Rule):
            return item.name in self._empty
        if isinstance(item, Repetition):
            return item.low == 0 or self._may_be_empty(item.item)
        return any(all(map(self._may_be_empty, branch)) for branch in item.branches)

    def _first_steps(self, name: str) -> int:
        """How many rules llama.cpp goes through to see what ``name`` begins with."""
        # Depth first, without a recursion of Python's: a chain of rules may be long.
        waiting = [name]
        while waiting:
            current = waiting[-1]
            if self._steps.get(current) is not None:
                waiting.pop()
                continue
            firsts = self._firsts(self._rules[current], current)
            if current not in self._steps:
                self._steps[current] = None
                for first in firsts:
                    if first in self._steps and self._steps[first] is None:
                        self._begins_with_itself(first)
                    waiting.append(first)
                continue
            total = 1 + sum((self._steps[first] or 0) * times for first, times in firsts.items())
            if total > _MOST_STEPS:
                raise InvalidArgument(
                    f"the grammar's rule '{current}' can begin in more than {_MOST_STEPS} ways"
                )
            self._steps[current] = total
            waiting.pop()
        return self._steps[name] or 0

    def _firsts(self, item: Item, name: str) -> Counter[str]:
        """The rules that something may begin with, and how often llama.cpp looks at each."""
        found: Counter[str] = Counter()
        if isinstance(item, Rule):
            found[item.name] = 1
        elif isinstance(item, Repetition):
            found = self._firsts(item.item, name)
            if self._may_be_empty(item.item):
                if item.high is None:
                    raise InvalidArgument(
                        f"the grammar's rule '{name}' repeats, without a limit, what may be empty"
                    )
                for first in found:
                    found[first] *= item.high
        elif isinstance(item, Choice):
            for branch in item.branches:
                for part in branch:
                    found += self._firsts(part, name)
                    if not self._may_be_empty(part):
                        break
        return found

    def _begins_with_itself(self, name: str) -> None:
        raise InvalidArgument(
            f"the grammar's rule '{name}' begins with itself, which llama.cpp cannot use: write "
            "the repetition with * or at the end of the rule"
        )


def _references(item: Item) -> Iterator[str]:
    if isinstance(item, Rule):
        yield item.name
    elif isinstance(item, Repetition):
        yield from _references(item.item)
    elif isinstance(item, Choice):
        for branch in item.branches:
            for part in branch:
                yield from _references(part)


def _elements(item: Item) -> int:
    """How much llama.cpp makes of it."""
    if isinstance(item, Repetition):
        more = 1 if item.high is None else item.high - item.low
        return _elements(item.item) + _in_place(item.item) * (item.low + more)
    if isinstance(item, Choice):
        return 1 + sum(_elements(part) for branch in item.branches for part in branch)
    return _in_place(item)


def _in_place(item: Item) -> int:
    """How much of that is where the item stands, which a repetition repeats."""
    if isinstance(item, Repetition):
        return _in_place(item.item) * item.low + 1
    return item.size if isinstance(item, Terminal) else 1
