"""Reads regular expressions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from ....exceptions import InvalidArgument
from .characters import Characters
from .regex_tree import END, START, Alternatives, Anchor, Node, Repeat, Run
from .rules import MOST_REPETITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 20_000
_DEEPEST = 100
_DIGITS = Characters.joined([(0x30, 0x39)])
_WORD = Characters.joined([(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)])
_SPACE = Characters.of("\t\n\v\f\r ")
# All that ECMA-262 takes for white space: no text should have it where \S is asked for.
_SPACES = _SPACE | Characters.joined(
    [
        *((0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F)),
        *((0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)),
    ]
)
_CLASSES = {"d": _DIGITS, "D": ~_DIGITS, "w": _WORD, "W": ~_WORD, "s": _SPACE, "S": ~_SPACES}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_DOT = ~Characters.of("\n\r\u2028\u2029")
_SIGNS: Mapping[str, Node] = {"^": START, "$": END, ".": _DOT}
_COUNT = re.compile(r"\{(\d+)(,?)(\d*)\}")
_CODE = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|c([a-zA-Z])")
_GROUP = re.compile(r"\?:|\?P?<[A-Za-z_]\w*>")
_REFUSED_GROUPS = {
    "?=": "a lookahead",
    "?!": "a lookahead",
    "?<=": "a lookbehind",
    "?<!": "a lookbehind",
    "?>": "an atomic group",
    "?P=": "a reference to a group",
    "?(": "a condition",
    "?": "a flag",
}
_REFUSED_ESCAPES = {
    "b": "a word border",
    "B": "a word border",
    "k": "a reference to a group",
    "p": "a class of Unicode",
    "P": "a class of Unicode",
}


def parse(pattern: str) -> Node:
    """The tree of a pattern.

    Raises:
        InvalidArgument: It is not valid, or has what a grammar cannot say.
    """
    if len(pattern) > _LONGEST:
        raise InvalidArgument(f"a pattern has {len(pattern)} characters; {_LONGEST} is the limit")
    return _Parser(pattern).whole()


class _Parser:
    """A pattern, and the place in it."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._alternatives()
        if self._at < len(self._pattern):
            self._wrong("a ')' that closes nothing")
        return node

    def _alternatives(self) -> Node:
        branches = [self._run()]
        while self._take("|"):
            branches.append(self._run())
        return branches[0] if len(branches) == 1 else Alternatives(tuple(branches))

    def _run(self) -> Node:
        parts = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            parts.append(self._quantified(self._atom()))
        return parts[0] if len(parts) == 1 else Run(tuple(parts))

    def _atom(self) -> Node:
        sign = self._next()
        if sign == "(":
            return self._group()
        if sign == "[":
            return self._class()
        if sign == "\\":
            return self._escape()
        if sign in "*+?":
            self._wrong(f"a '{sign}' that repeats nothing")
        return _SIGNS.get(sign) or Characters.of(sign)

    def _quantified(self, node: Node) -> Node:
        while (found := self._quantifier()) is not None:
            low, high = found
            if isinstance(node, Anchor):
                self._wrong("an anchor that is repeated")
            if high is not None and high < low:
                self._wrong(f"a repetition of {low} to {high}")
            if low > MOST_REPETITIONS:
                self._unsupported(f"more than {MOST_REPETITIONS} repetitions")
            if self._take("+"):
                self._unsupported("a possessive quantifier")
            # A lazy one: what it matches as a whole is the same.
            self._take("?")
            node = Repeat(node, low, high)
        return node

    def _quantifier(self) -> tuple[int, int | None] | None:
        for sign, found in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return found
        count = _COUNT.match(self._pattern, self._at)
        if count is None:
            if self._pattern.startswith("{,", self._at):
                self._unsupported("a repetition without a lower limit")
            return None
        self._at = count.end()
        low, comma, high = count.groups()
        # A number of more digits than this is far beyond any limit.
        low_count = int(low[:18])
        return low_count, (int(high[:18]) if high else None) if comma else low_count

    def _group(self) -> Node:
        known = _GROUP.match(self._pattern, self._at)
        if known is not None:
            self._at = known.end()
        else:
            for sign, name in _REFUSED_GROUPS.items():
                if self._pattern.startswith(sign, self._at):
                    self._unsupported(name)
        self._depth += 1
        if self._depth > _DEEPEST:
            self._unsupported(f"more than {_DEEPEST} groups in each other")
        node = self._alternatives()
        self._depth -= 1
        if not self._take(")"):
            self._wrong("a '(' that is not closed")
        return node

    def _class(self) -> Characters:
        inverted = self._take("^")
        found = Characters(())
        while not self._take("]"):
            first = self._member()
            if self._pattern.startswith("-", self._at) and not self._pattern.startswith(
                "-]", self._at
            ):
                self._at += 1
                last = self._member()
                if not isinstance(first, str) or not isinstance(last, str) or last < first:
                    self._wrong("a range that is none")
                found |= Characters.joined([(ord(first), ord(last))])
            else:
                found |= Characters.of(first) if isinstance(first, str) else first
        return ~found if inverted else found

    def _member(self) -> str | Characters:
        sign = self._next("a '[' that is not closed")
        if sign != "\\":
            return sign
        if self._take("b"):
            return "\b"
        return self._escaped()

    def _escape(self) -> Node:
        if self._take("A"):
            return START
        if self._take("Z") or self._take("z"):
            return END
        found = self._escaped()
        return Characters.of(found) if isinstance(found, str) else found

    def _escaped(self) -> str | Characters:
        code = _CODE.match(self._pattern, self._at)
        if code is not None:
            self._at = code.end()
            *digits, control = code.groups()
            value = ord(control) % 32 if control else int(next(filter(None, digits)), 16)
            if value > 0x10FFFF or 0xD800 <= value <= 0xDFFF:
                self._unsupported("a code point that is no character")
            return chr(value)
        sign = self._next("a '\\' at its end")
        if sign in _CLASSES:
            return _CLASSES[sign]
        if sign in _CONTROLS:
            return _CONTROLS[sign]
        if sign in _REFUSED_ESCAPES:
            self._unsupported(f"{_REFUSED_ESCAPES[sign]}, \\{sign},")
        if sign.isdigit():
            self._unsupported(f"a reference to a group, \\{sign},")
        if sign.isalpha():
            self._unsupported(f"the escape \\{sign}")
        return sign

    def _take(self, sign: str) -> bool:
        if self._pattern.startswith(sign, self._at):
            self._at += len(sign)
            return True
        return False

    def _next(self, missing: str = "") -> str:
        if self._at >= len(self._pattern):
            self._wrong(missing)
        self._at += 1
        return self._pattern[self._at - 1]

    def _wrong(self, what: str) -> NoReturn:
        raise InvalidArgument(
            f"the pattern {self._pattern!r} has {what}, at character {self._at}: it is not valid"
        )

    def _unsupported(self, what: str) -> NoReturn:
        raise InvalidArgument(
            f"the pattern {self._pattern!r} has {what} at character {self._at}, which the "
            "llama-cpp engine does not have"
        )
