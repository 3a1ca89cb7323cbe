"""Strings and numbers of JSON schemas."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .json_formats import FORMATS, WITHOUT_FORM
from .json_keywords import refuse, wrong
from .json_numbers import Limits, integers, numbers
from .rules import MOST_REPETITIONS

if TYPE_CHECKING:
    from .json_values import JsonValues
    from .rules import Rules


def string(values: JsonValues, found: dict[str, Any], place: str) -> str:
    """The rule of strings."""
    low, high = count(found, "minLength", place) or 0, count(found, "maxLength", place)
    pattern, form = found.get("pattern"), found.get("format")
    if form in WITHOUT_FORM:
        form = None
    if form is not None and form not in FORMATS:
        refuse(f"the format {form!r}", place)
    given = [name for name in ("pattern", "format") if found.get(name)]
    if low or high is not None:
        given.append("minLength or maxLength")
    if len(given) > 1 and (pattern or form):
        refuse(f"{' with '.join(given)}", place)
    if pattern is not None:
        if not isinstance(pattern, str):
            wrong("pattern must be a text", place)
        return values.matching(pattern, searches=True)
    if form is not None:
        return values.matching(FORMATS[form], searches=False)
    if low == 0 and high is None:
        return values.string
    if high is not None and high < low:
        wrong(f"minLength is {low}, maxLength {high}", place)
    if low > MOST_REPETITIONS:
        refuse(f"'minLength' of more than {MOST_REPETITIONS}", place)
    return values.sized(low, high)


def number(values: JsonValues, rules: Rules, found: dict[str, Any], place: str) -> str:
    """The rule of numbers."""
    if found.get("multipleOf") is not None:
        refuse("'multipleOf'", place)
    limits = _limits(found, place)
    if limits == Limits():
        return values.number
    body = numbers(limits)
    if body is None:
        wrong("no number of 15 decimals is between the limits", place)
    return rules.add(body)


def integer(values: JsonValues, rules: Rules, found: dict[str, Any], place: str) -> str:
    """The rule of integers."""
    if found.get("multipleOf") not in (None, 1):
        refuse("'multipleOf' other than 1", place)
    limits = _limits(found, place)
    if limits == Limits():
        return values.integer
    body = integers(limits)
    if body is None:
        wrong("no integer is between the limits", place)
    return rules.add(body)


def count(found: dict[str, Any], name: str, place: str) -> int | None:
    """A keyword's number of things, 0 or more; None: it is not there."""
    value = found.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value % 1:
        wrong(f"{name} is {value!r}; it must be an integer of 0 or more", place)
    return int(value)


def _limits(found: dict[str, Any], place: str) -> Limits:
    low, is_open_low = _limit(found, "minimum", "exclusiveMinimum", 1, place)
    high, is_open_high = _limit(found, "maximum", "exclusiveMaximum", -1, place)
    return Limits(low, high, is_open_low, is_open_high)


def _limit(
    found: dict[str, Any], closed: str, opened: str, sign: int, place: str
) -> tuple[Fraction | None, bool]:
    """The stricter of two limits, and whether a value must not be it."""
    limits = []
    for name in (closed, opened):
        value = found.get(name)
        if value is None:
            continue
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            wrong(f"{name} is {value!r}; it must be a number", place)
        if abs(value) > 1e15:
            refuse(f"{name!r} of more than 15 digits", place)
        limits.append((Fraction(repr(value)), name == opened))
    if not limits:
        return None, False
    return max(limits, key=lambda limit: (sign * limit[0], limit[1]))
