"""Numbers of JSON between two limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FREE_INTEGER = '"-"? ("0" | [1-9] [0-9]{0,14})'
FREE_NUMBER = f'{FREE_INTEGER} ("." [0-9]{{1,15}})? ([eE] [-+]? [0-9]{{1,2}})?'

_MOST_DECIMALS = 15
_MORE_DECIMALS = "[0-9]{1,6}"
_Digits = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a number must be between; None: no limit."""

    low: Fraction | None = None
    high: Fraction | None = None
    is_open_low: bool = False
    is_open_high: bool = False

    def first(self, unit: Fraction) -> int | None:
        """The least multiple of ``unit`` that is allowed."""
        if self.low is None:
            return None
        count = math.ceil(self.low / unit)
        return count + (self.is_open_low and count * unit == self.low)

    def last(self, unit: Fraction) -> int | None:
        """The greatest multiple of ``unit`` that is allowed."""
        if self.high is None:
            return None
        count = math.floor(self.high / unit)
        return count - (self.is_open_high and count * unit == self.high)


def integers(limits: Limits) -> str | None:
    """An expression for the integers between ``limits``; None: there is none."""
    low, high = limits.first(Fraction(1)), limits.last(Fraction(1))
    if low is None and high is None:
        return FREE_INTEGER
    low, high = _closed(low, high)
    found = [f'"-" {each}' for each in _written(max(-high, 1), -low, 0)]
    found += _written(max(low, 0), high, 0)
    return " | ".join(found) or None


def numbers(limits: Limits) -> str | None:
    """An expression for numbers between ``limits``; None: none of few enough decimals is."""
    if limits.low is None and limits.high is None:
        return FREE_NUMBER
    for decimals in range(_MOST_DECIMALS + 1):
        unit = Fraction(1, 10**decimals)
        low, high = _closed(limits.first(unit), limits.last(unit), 10**decimals)
        if low <= high:
            point = "" if decimals else '"." '
            # With more decimals a number is between its multiple and the one after.
            more = [
                f"{each} {point}{_MORE_DECIMALS}"
                for each in _written(max(low, 0), high - 1, decimals)
            ]
            more += [
                f'"-" {each} {point}{_MORE_DECIMALS}'
                for each in _written(max(-high, 0), -low - 1, decimals)
            ]
            exact = _written(max(low, 0), high, decimals)
            below = [f'"-" {each}' for each in _written(max(-high, 1), -low, decimals)]
            return " | ".join([*exact, *below, *more])
    return None


def _closed(low: int | None, high: int | None, unit: int = 1) -> tuple[int, int]:
    """Both limits; one that is open is where numbers have some more digits."""
    widest = 10 * max(abs(low or 0), abs(high or 0), 10**14 * unit)
    return -widest if low is None else low, widest if high is None else high


def _written(low: int, high: int, decimals: int) -> list[str]:
    """The multiples from ``low`` to ``high``, not negative, each with its decimals."""
    found: list[str] = []
    shortest = decimals + 1
    for length in range(shortest, max(len(str(high)), shortest) + 1 if low <= high else 0):
        first = max(low, 0 if length == shortest else 10 ** (length - 1))
        last = min(high, 10**length - 1)
        if first <= last:
            texts = _between(str(first).zfill(length), str(last).zfill(length))
            found += [_expression(each, decimals) for each in texts]
    return found


def _between(low: str, high: str) -> Iterator[_Digits]:
    """Texts of digits from ``low`` to ``high``, of the same length: a range for each digit."""
    if not low:
        yield []
        return
    nines, zeros = "9" * (len(low) - 1), "0" * (len(low) - 1)
    if low[0] == high[0]:
        yield from ([(low[0], low[0]), *rest] for rest in _between(low[1:], high[1:]))
        return
    first, last = int(low[0]), int(high[0])
    if low[1:] != zeros:
        yield from ([(low[0], low[0]), *rest] for rest in _between(low[1:], nines))
        first += 1
    if high[1:] != nines:
        last -= 1
    if first <= last:
        yield [(str(first), str(last)), *[("0", "9")] * len(zeros)]
    if high[1:] != nines:
        yield from ([(high[0], high[0]), *rest] for rest in _between(zeros, high[1:]))


def _expression(digits: _Digits, decimals: int) -> str:
    classes = [f"[{first}-{last}]" for first, last in digits]
    if decimals:
        classes.insert(len(classes) - decimals, '"."')
    return " ".join(classes)
