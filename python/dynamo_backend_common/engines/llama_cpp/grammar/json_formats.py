"""Formats of strings that JSON schemas name, as regular expressions.

Each matches some of what the format allows, and nothing else: dates of years to come, for example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_DATE = (
    r"[12]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
)
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_MINUTES = r"\d{1,2}M(?:\d{1,2}S)?"
_HOURS = rf"T(?:\d{{1,2}}H(?:{_MINUTES})?|{_MINUTES}|\d{{1,2}}S)"
_MONTHS = r"\d{1,2}M(?:\d{1,2}D)?"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL}){{0,4}}"
_DURATION = rf"(?:\d{{1,4}}Y(?:{_MONTHS})?|{_MONTHS}|\d{{1,3}}D)(?:{_HOURS})?|{_HOURS}"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_NAME = r"[a-zA-Z0-9_+-]{1,32}"
_HEX = "[0-9a-fA-F]"
_UUID = (
    f"{_HEX}{{{{8}}}}-{_HEX}{{{{4}}}}-{{}}{_HEX}{{{{3}}}}-[89abAB]{_HEX}{{{{3}}}}-{_HEX}{{{{12}}}}"
)
_PATH = r"[a-zA-Z0-9._~+=-]"

FORMATS: Final[Mapping[str, str]] = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}T{_TIME}",
    "duration": rf"P(?:\d{{1,3}}W|{_DURATION})",
    "email": rf"{_NAME}(?:\.{_NAME}){{0,3}}@{_HOST}\.[a-zA-Z]{{2,12}}",
    "hostname": _HOST,
    "ipv4": rf"{_BYTE}(?:\.{_BYTE}){{3}}",
    "ipv6": rf"{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{7}}",
    "uuid": _UUID.format("[1-8]"),
    **{f"uuid{version}": _UUID.format(version) for version in (1, 3, 4, 5)},
    "uri": rf"https?://{_HOST}(?::[1-9]\d{{1,3}})?(?:/{_PATH}{{0,64}}){{0,16}}(?:[?#]{_PATH}+)?",
}
"""By the format's name."""

WITHOUT_FORM: Final = frozenset({"int32", "int64", "float", "double", "password"})
"""Formats that say what a value is for, and nothing of its form."""
