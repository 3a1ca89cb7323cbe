"""Values of JSON, as rules of a grammar."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument
from .characters import ALL, Characters, literal
from .json_numbers import FREE_INTEGER, FREE_NUMBER
from .regex import regex_gbnf
from .rules import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .rules import Rules

_SPACE = '"" | " " | "\\n"{1,2} [ \\t]{0,20}'
_SPACES = Characters.of(" \t\n\r")
_ESCAPED = {'"': '"', "\\": "\\", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}
_PLAIN = ALL & ~(Characters.joined([(0, 0x1F)]) | Characters.of('"\\'))
_HEX = "[0-9a-fA-F]"
# None of a surrogate, which alone is no character.
_CODE = f'"u" ([0-9a-cA-CeEfF] {_HEX}{{3}} | [dD] [0-7] {_HEX}{{2}})'


class JsonValues:
    """Rules for the values of JSON, and for what stands between them."""

    def __init__(self, rules: Rules, whitespace_pattern: str | None = None) -> None:
        """Begins with the white space.

        Args:
            rules: Takes the rules.
            whitespace_pattern: What may stand between the parts of objects and arrays, as a regular
                expression; None: nothing, a space, or line breaks with an indentation.

        Raises:
            InvalidArgument: The pattern matches what is no white space of JSON.
        """
        self._rules = rules
        if whitespace_pattern is None:
            self.space = rules.add(_SPACE)
        else:
            body = regex_gbnf(whitespace_pattern, rules, symbol=_space)
            self.space = rules.add(body or EMPTY)

    @cached_property
    def character(self) -> str:
        """A character of a string."""
        return self._rules.add(f'{_PLAIN.gbnf} | "\\\\" (["\\\\/bfnrt] | {_CODE})')

    @cached_property
    def string(self) -> str:
        """Any string."""
        return self._rules.add(f'"\\"" {self.character}* "\\""')

    @cached_property
    def number(self) -> str:
        """Any number, of a size that every reader knows."""
        return self._rules.add(FREE_NUMBER)

    @cached_property
    def integer(self) -> str:
        """Any integer, of a size that every reader knows."""
        return self._rules.add(FREE_INTEGER)

    @cached_property
    def boolean(self) -> str:
        """True or false."""
        return self._rules.add('"true" | "false"')

    @cached_property
    def null(self) -> str:
        """Null."""
        return self._rules.add('"null"')

    def member(self, key: str, value: str) -> str:
        """A key with its value."""
        return self._rules.add(f'{key} ":" {self.space} {value}')

    def listed(self, item: str, low: int = 0, high: int | None = None) -> str:
        """Items with commas between them, and white space after the last one.

        Args:
            item: The name of a rule.
            low: How many at least.
            high: How many at most; None: no limit.
        """
        if high == 0:
            return EMPTY
        more = self._rules.add(f'"," {self.space} {item}')
        fewest = max(low - 1, 0)
        rest = self._rules.repeated(more, fewest, None if high is None else high - 1)
        found = f"{item} {rest} {self.space}"
        return self._rules.add(found if low else f"{found} | {EMPTY}")

    def matching(self, pattern: str, *, searches: bool) -> str:
        """A string that matches a regular expression; see `regex_gbnf`.

        Raises:
            InvalidArgument: The pattern is not valid, or has what a grammar cannot say.
        """
        body = regex_gbnf(pattern, self._rules, symbol=_in_string, searches=searches)
        return self._rules.add(f'"\\"" {self._rules.add(body or EMPTY)} "\\""')

    def sized(self, low: int, high: int | None) -> str:
        """A string of ``low`` to ``high`` characters."""
        characters = self._rules.repeated(self.character, low, high)
        return self._rules.add(f'"\\"" {characters} "\\""')

    def other_key(self, names: Iterable[str]) -> str:
        """A key that is none of ``names``, in any way to write it."""
        others = self._other([name for name in names if all(map(_is_writable, name))])
        return self._rules.add(f'"\\"" {others} "\\""')

    def _other(self, names: list[str]) -> str:
        """Characters that go on, and end, otherwise than each of ``names``."""
        # Each character in one way only: else an escape would be a way to write a forbidden name.
        first = Characters.of("".join(name[0] for name in names if name))
        free = _in_string(ALL)
        branches = [] if "" in names else [EMPTY]
        branches.append(f"{_in_string(ALL & ~first)} {self._rules.add(free)}*")
        for character in sorted({name[0] for name in names if name}):
            rest = [name[1:] for name in names if name[:1] == character]
            branches.append(f"{_in_string(Characters.of(character))} {self._other(rest)}")
        return self._rules.add(" | ".join(branches))


def json_text(value: Any) -> str:
    """How a value is written that is the only one."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    return text


def _is_writable(character: str) -> bool:
    return character in _PLAIN or character in _ESCAPED


def _space(characters: Characters) -> str:
    if characters & ~_SPACES:
        raise InvalidArgument(
            "guided_decoding.whitespace_pattern matches what is no white space of JSON"
        )
    return characters.gbnf


def _in_string(characters: Characters) -> str:
    """One of some characters as it stands in a string of JSON."""
    plain = characters & _PLAIN
    found = [plain.gbnf] if plain else []
    found += [literal(f"\\{sign}") for each, sign in _ESCAPED.items() if each in characters]
    if not found:
        raise InvalidArgument("a pattern has a class of characters that no string of JSON has")
    return found[0] if len(found) == 1 else f"({' | '.join(found)})"
