"""How many ways a grammar leaves open to go on, which llama.cpp follows all at once.

With some grammars each character doubles their number: a few tokens of such an output would keep
the step loop busy for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ....exceptions import InvalidArgument
from .gbnf_parser import Choice, Item, Repetition, Rule, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST = 1024
_CHARACTERS = 64
_TRIED = 4
_MOST_WORK = 20_000

# A place where something goes on: a sequence, a literal or a repetition, and how far it is.
_Frame: TypeAlias = tuple["tuple[Item, ...] | Terminal | Repetition", int]
_Stack: TypeAlias = tuple[_Frame, ...]


def refuse_ambiguous(rules: dict[str, Choice]) -> None:
    """Refuses a grammar whose outputs soon leave too many ways open.

    It goes along the outputs that leave the most, character by character, for the length of some
    tokens; in a large grammar, as far as some work goes.

    Args:
        rules: The rules, all of them defined, and none beginning with itself.

    Raises:
        InvalidArgument: There are too many.
    """
    machine = Machine(rules)
    stacks = machine.begun()
    for _ in range(_CHARACTERS):
        if len(stacks) > _MOST:
            raise InvalidArgument(
                f"the grammar is too ambiguous: after few characters it leaves more than {_MOST} "
                "ways to go on; write it so that one character decides between alternatives"
            )
        if machine.work > _MOST_WORK:
            return
        stacks = max(
            (machine.after(character, stacks) for character in _tried(stacks)),
            key=len,
            default=set(),
        )


def _tried(stacks: Iterable[_Stack]) -> Iterator[str]:
    """Some characters that may be next."""
    seen: set[str] = set()
    for stack in stacks:
        for first, _ in _top(stack)[:2]:
            if chr(first) not in seen and len(seen) < _TRIED:
                seen.add(chr(first))
                yield chr(first)


def _top(stack: _Stack) -> tuple[tuple[int, int], ...]:
    """The ranges of characters that may be next; empty: none, or a token."""
    if not stack:
        return ()
    part, at = stack[-1]
    assert isinstance(part, Terminal)
    return part.characters[at].ranges if part.characters else ()


class Machine:
    """Follows a grammar as llama.cpp does.

    Attributes:
        work: Number of stacks that were looked at.
    """

    def __init__(self, rules: dict[str, Choice]) -> None:
        self._rules = rules
        self.work = 0

    def begun(self) -> set[_Stack]:
        """The stacks before the first character."""
        return self._closed(self._entered((), self._rules["root"]))

    def after(self, character: str, stacks: Iterable[_Stack]) -> set[_Stack]:
        """The stacks after one more character."""
        found = []
        for stack in stacks:
            if any(first <= ord(character) <= last for first, last in _top(stack)):
                part, at = stack[-1]
                assert isinstance(part, Terminal)
                rest = stack[:-1]
                found.append((*rest, (part, at + 1)) if at + 1 < len(part.characters) else rest)
        return self._closed(found)

    def _closed(self, stacks: Iterable[_Stack]) -> set[_Stack]:
        """What the stacks become when something that takes a character is to be on top of each."""
        waiting, seen, found = list(stacks), set[_Stack](), set[_Stack]()
        while waiting and len(found) <= _MOST:
            stack = waiting.pop()
            if stack in seen:
                continue
            seen.add(stack)
            self.work += 1
            if not stack or isinstance(stack[-1][0], Terminal):
                found.add(stack)
                continue
            part, at = stack[-1]
            rest = stack[:-1]
            if isinstance(part, Repetition):
                waiting += self._repeated(rest, part, at)
            else:
                assert not isinstance(part, Terminal)
                more = ((part, at + 1),) if at + 1 < len(part) else ()
                waiting += self._entered((*rest, *more), part[at])
        return found

    def _repeated(self, rest: _Stack, part: Repetition, done: int) -> list[_Stack]:
        found = [rest] if done >= part.low else []
        if part.high is None:
            found += self._entered((*rest, (part, min(done + 1, part.low))), part.item)
        elif done < part.high:
            more = ((part, done + 1),) if done + 1 < part.high else ()
            found += self._entered((*rest, *more), part.item)
        return found

    def _entered(self, rest: _Stack, item: Item) -> list[_Stack]:
        """The stacks where ``item`` comes next, and then ``rest``."""
        if isinstance(item, Rule):
            item = self._rules[item.name]
        if isinstance(item, Choice):
            return [(*rest, (branch, 0)) if branch else rest for branch in item.branches]
        return [(*rest, (item, 0))]
