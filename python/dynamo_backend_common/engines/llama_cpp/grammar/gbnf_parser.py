"""Reads grammars in llama.cpp's notation, GBNF, as llama.cpp does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from ....exceptions import InvalidArgument
from .characters import ALL, Characters


@dataclass(frozen=True, slots=True, eq=False)
class Terminal:
    """Something that takes characters, or a token.

    Attributes:
        characters: For each character, which ones it may be; empty for a token.
        size: How many characters it names.
    """

    characters: tuple[Characters, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A reference to a rule."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One of some sequences."""

    branches: tuple[tuple[Item, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Repetition:
    """An item, ``low`` to ``high`` times; None: without a limit."""

    item: Item
    low: int
    high: int | None


Item: TypeAlias = Terminal | Rule | Choice | Repetition

_DEEPEST = 200
_MOST_TIMES = 3
_MOST_REPETITIONS = 2000
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_INLINE_SPACE = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_CHARACTER = (
    r"(?:\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4}"
    r"|[trn\\\"\[\]-])|[^\\%s])"
)
_LITERAL = re.compile(f'"{_CHARACTER % chr(34)}*"', re.DOTALL)
_CLASS = re.compile(rf"\[\^?(?:{_CHARACTER % re.escape(']')})*\]", re.DOTALL)
_ONE = re.compile(_CHARACTER % "", re.DOTALL)
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n"}
_TOKEN = re.compile(r"!?<(?:\[\d{1,9}\]|[^>\[][^>]*)>")
_COUNT = re.compile(r"\{[ \t]*(\d{1,9})[ \t]*(,?)[ \t]*(\d{0,9})[ \t]*\}")
_TIMES = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def parse_gbnf(text: str) -> tuple[dict[str, Choice], str]:
    """Reads a grammar.

    Returns:
        The rules, by name; and the text as llama.cpp takes it, which has no '_' in names.

    Raises:
        InvalidArgument: It is not valid; the message says where.
    """
    parser = _Parser(text)
    return parser.rules(), parser.renamed()


class _Parser:
    """A grammar, and the place in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._names: list[re.Match[str]] = []

    def renamed(self) -> str:
        """The text that was read, with names as llama.cpp takes them."""
        used = {name[0] for name in self._names}
        given: dict[str, str] = {}
        for name in sorted(name for name in used if "_" in name):
            given[name] = name.replace("_", "-")
            while given[name] in used:
                given[name] += "-"
            used.add(given[name])
        parts, at = [], 0
        for found in self._names:
            parts += [self._text[at : found.start()], given.get(found[0], found[0])]
            at = found.end()
        return "".join([*parts, self._text[at:]])

    def rules(self) -> dict[str, Choice]:
        found: dict[str, Choice] = {}
        self._take(_SPACE)
        while self._at < len(self._text):
            name = self._name()
            if not name:
                self._wrong("the name of a rule, of letters, digits, '-' and '_',")
            self._take(_INLINE_SPACE)
            if not self._text.startswith("::=", self._at):
                self._wrong("'::='")
            self._at += 3
            self._take(_SPACE)
            found[name] = self._choice()
            if self._at < len(self._text) and self._text[self._at] not in "\r\n":
                self._wrong("the end of the line")
            self._take(_SPACE)
        return found

    def _choice(self) -> Choice:
        branches = [self._sequence()]
        while self._text.startswith("|", self._at):
            self._at += 1
            self._take(_SPACE)
            branches.append(self._sequence())
        return Choice(tuple(branches))

    def _sequence(self) -> tuple[Item, ...]:
        items: list[Item] = []
        while (item := self._item()) is not None:
            self._space()
            for _ in range(_MOST_TIMES):
                if (times := self._times()) is None:
                    break
                item = Repetition(item, *times)
                self._space()
            items.append(item)
        if self._at < len(self._text) and self._text[self._at] in "*+?{":
            self._wrong("something to repeat")
        return tuple(items)

    def _item(self) -> Item | None:
        sign = self._text[self._at : self._at + 1]
        if sign == '"':
            literal = self._take(_LITERAL)
            if not literal:
                self._wrong("a literal that ends, with escapes that are known,")
            if literal == '""':
                return Choice(((),))
            characters = map(Characters.of, _characters(literal[1:-1]))
            return Terminal(tuple(characters), len(literal))
        if sign == "[":
            names = self._take(_CLASS)
            if not names:
                self._wrong("a class of characters that ends, with escapes that are known,")
            return Terminal((_class(names),), len(names))
        if sign and sign in "<!":
            if not self._take(_TOKEN):
                self._wrong("a token, as <[id]> or <text>,")
            return Terminal((), 1)
        if sign == ".":
            self._at += 1
            return Terminal((ALL,), 1)
        if sign == "(":
            return self._group()
        name = self._name()
        return Rule(name) if name else None

    def _name(self) -> str:
        found = _NAME.match(self._text, self._at)
        if found is None:
            return ""
        self._names.append(found)
        self._at = found.end()
        return found[0]

    def _group(self) -> Choice:
        self._at += 1
        self._depth += 1
        if self._depth > _DEEPEST:
            self._wrong(f"at most {_DEEPEST} groups in each other")
        self._take(_SPACE)
        choice = self._choice()
        if not self._text.startswith(")", self._at):
            self._wrong("')'")
        self._at += 1
        self._depth -= 1
        return choice

    def _times(self) -> tuple[int, int | None] | None:
        sign = self._text[self._at : self._at + 1]
        if sign in _TIMES:
            self._at += 1
            return _TIMES[sign]
        if sign != "{":
            return None
        count = _COUNT.match(self._text, self._at)
        if count is None:
            self._wrong("a count, as {2}, {2,} or {2,5},")
        low, comma, high = count.groups()
        low, high = int(low), (int(high) if high else None) if comma else int(low)
        if high is not None and high < low:
            self._wrong("a count whose second number is not below the first")
        # Above, llama.cpp leaves the limit out.
        if max(low, high or 0) >= _MOST_REPETITIONS:
            self._wrong(f"a count below {_MOST_REPETITIONS}")
        self._at = count.end()
        return low, high

    def _space(self) -> None:
        self._take(_SPACE if self._depth else _INLINE_SPACE)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[0]

    def _wrong(self, expected: str) -> NoReturn:
        before = self._text[: self._at]
        line, column = before.count("\n") + 1, self._at - before.rfind("\n")
        there = self._text[self._at : self._at + 20]
        raise InvalidArgument(
            f"the grammar is not valid: at line {line}, column {column} there must be {expected} "
            f"not {there!r}"
        )


def _characters(written: str) -> list[str]:
    """The characters that are written, some of them by escapes."""
    return [_character(each) for each in _ONE.findall(written)]


def _character(written: str) -> str:
    if len(written) <= len(r"\n"):
        return _ESCAPES.get(written[-1], written[-1]) if len(written) > 1 else written
    return chr(int(written.lstrip(r"\xuU"), 16))


def _class(written: str) -> Characters:
    """The characters of a class: ``[^a-z]``."""
    inside = written[1:-1]
    is_inverted = inside.startswith("^")
    parts = _ONE.findall(inside[is_inverted:])
    ranges, at = [], 0
    while at < len(parts):
        is_range = at + 2 < len(parts) and parts[at + 1] == "-"
        ends = (parts[at], parts[at + 2] if is_range else parts[at])
        first, last = (ord(_character(end)) for end in ends)
        ranges.append((first, last))
        at += 3 if is_range else 1
    found = Characters.joined(each for each in ranges if each[0] <= each[1])
    return ~found if is_inverted else found & ALL
