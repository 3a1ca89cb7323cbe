"""Sets of characters, and how a grammar of llama.cpp's names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# Without NUL, which ends a token's text in llama.cpp, and without surrogates, which are no text.
_ALL = ((0x01, 0xD7FF), (0xE000, 0x10FFFF))
_PLAIN = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _,.:;/+*=<>{}()!?%&@~#'"
)


@dataclass(frozen=True, slots=True)
class Characters:
    """A set of characters.

    Attributes:
        ranges: First and last code point of each range, in order, with gaps between them.
    """

    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str) -> Characters:
        """The characters of ``text``."""
        return cls.joined((ord(each), ord(each)) for each in text)

    @classmethod
    def joined(cls, ranges: Iterable[tuple[int, int]]) -> Characters:
        """The set of what is in one of ``ranges``, which may overlap."""
        found: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if found and first <= found[-1][1] + 1:
                found[-1] = (found[-1][0], max(found[-1][1], last))
            else:
                found.append((first, last))
        return cls(tuple(found))

    def __contains__(self, character: str) -> bool:
        return any(first <= ord(character) <= last for first, last in self.ranges)

    def __or__(self, other: Characters) -> Characters:
        return Characters.joined((*self.ranges, *other.ranges))

    def __and__(self, other: Characters) -> Characters:
        return Characters.joined(
            (max(first, low), min(last, high))
            for first, last in self.ranges
            for low, high in other.ranges
            if max(first, low) <= min(last, high)
        )

    def __invert__(self) -> Characters:
        found, start = [], 0
        for first, last in self.ranges:
            if start < first:
                found.append((start, first - 1))
            start = last + 1
        found.append((start, 0x10FFFF))
        return Characters(tuple(each for each in found if each[0] <= each[1])) & ALL

    def __bool__(self) -> bool:
        return bool(self.ranges)

    @property
    def gbnf(self) -> str:
        """The set as a class: ``[a-z]``; it must not be empty."""
        parts = [
            _escaped(first) if first == last else f"{_escaped(first)}-{_escaped(last)}"
            for first, last in (self & ALL).ranges
        ]
        return f"[{''.join(parts)}]"


ALL: Final = Characters(_ALL)
"""All characters that a text can have."""


def literal(text: str) -> str:
    """A text as a literal of a grammar; it must have no NUL."""
    return '"' + "".join(each if each in _PLAIN else _escaped(ord(each)) for each in text) + '"'


def _escaped(code: int) -> str:
    if chr(code).isascii() and chr(code).isalnum():
        return chr(code)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
