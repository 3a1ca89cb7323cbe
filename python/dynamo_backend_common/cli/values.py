"""A value of one option, from text or from TOML; a bad one is told with the place it came from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .failure import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FLAGS = {"true": True, "1": True, "yes": True, "on": True}
_FLAGS |= {"false": False, "0": False, "no": False, "off": False}

_ALIASES = {"disaggregation_mode": {"agg": "Aggregated"}}

_LEVEL = re.compile(r"([^=,\s]+=)?(error|warn|info|debug|trace|off)", re.IGNORECASE)

_NAMES: dict[type, str] = {dict: "a table", list: "an array", bool: "a boolean", str: "a string"}
_NAMES |= {int: "a number", float: "a floating-point number"}

# Of each kind that is more than a string in TOML: its types there, and what a message calls them.
_TOML: dict[str, tuple[tuple[type, ...], str]] = {
    "flag": ((bool,), "true or false"),
    "whole number": ((int,), "a whole number"),
    "port": ((int,), "a whole number"),
    "seconds": ((int, float), "a number of seconds"),
    "whole seconds": ((int,), "a whole number of seconds"),
    "pairs": ((dict,), "a table of strings"),
    "JSON": ((dict, str), "a table, or a string with JSON or @FILE,"),
}


class Row(Protocol):
    """What the tables say of one option."""

    @property
    def owner(self) -> str:
        """The structure that it is a field of, or the heading that help shows it below."""

    @property
    def name(self) -> str:
        """The key in a file; with hyphens, the option."""

    @property
    def kind(self) -> str:
        """What a value looks like."""

    @property
    def variable(self) -> str:
        """Its environment variable; empty: it has none."""

    @property
    def default(self) -> str | None:
        """The default as text; None: unset."""

    @property
    def help(self) -> str:
        """One line."""

    @property
    def values(self) -> list[str]:
        """What is accepted of a choice."""


def read_text(row: Row, place: str, given: Any) -> Any:
    """The value that an option or a variable says.

    Raises:
        UsageError: It is not accepted; the message begins with ``place``.
    """
    match row.kind:
        case "flag":
            return given if isinstance(given, bool) else _choose(place, given, _FLAGS)
        case "choice":
            accepted = {value.casefold(): value for value in row.values}
            return _choose(place, given, accepted | _ALIASES.get(row.name, {}))
        case "pairs":
            return _pairs(place, given)
        case "JSON":
            return _json_object(place, given)
        case "path":
            return _existing(place, given)
        case "whole number":
            return _number(place, given, int, "whole number")
        case "seconds":
            return _number(place, given, float, "number of seconds")
        case "whole seconds":
            return _number(place, given, int, "whole number of seconds")
        case "secret":
            return _secret(place, given)
        case "port":
            return _port(place, given)
        case "log filter":
            return _filter(place, given)
        case _:
            return _model(place, given) if row.name == "model_name" else given


def read_toml(row: Row, place: str, given: Any) -> Any:
    """The value that a file says, as TOML has it.

    Raises:
        UsageError: It is not accepted; the message begins with ``place``.
    """
    types, wanted = _TOML.get(row.kind, ((str,), "a string"))
    # Python's booleans are numbers, too.
    if not isinstance(given, types) or (isinstance(given, bool) and bool not in types):
        shown = "what is given" if row.kind == "secret" else _shown(given)
        raise UsageError(f"{place}: {wanted} is needed, {shown} is {_toml_name(given)}")
    if row.kind == "pairs" and isinstance(given, dict):
        wrong = next((value for value in given.values() if not isinstance(value, str)), None)
        if wrong is not None:
            what = _toml_name(wrong)
            raise UsageError(f"{place}: {wanted} is needed, in it {_shown(wrong)} is {what}")
        return read_text(row, place, [f"{name}={value}" for name, value in given.items()])
    if isinstance(given, dict):
        return given
    return read_text(row, place, given if isinstance(given, bool) else str(given))


def _choose(place: str, text: str, accepted: Mapping[str, Any]) -> Any:
    try:
        return accepted[text.strip().casefold()]
    except KeyError:
        names = dict.fromkeys(
            value if isinstance(value, str) else key for key, value in accepted.items()
        )
        raise UsageError(f"{place}: '{text}' is unknown; accepted: {', '.join(names)}") from None


def _pairs(place: str, texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.strip()):
            raise UsageError(f"{place}: '{text}' is not of the form name=value")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)


def _json_object(place: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    except OSError as error:
        raise UsageError(f"{place}: cannot read '{text[1:]}': {error.strerror}") from None
    except ValueError as error:
        raise UsageError(
            f"{place}: '{text}' is no JSON object nor @file with one: {error}"
        ) from None
    if not isinstance(value, dict):
        raise UsageError(f"{place}: a JSON object is needed, '{text}' is {_json_name(value)}")
    return value


def _secret(place: str, text: str) -> str:
    if not text.startswith("@"):
        return text
    path = text[1:]
    try:
        secret = Path(path).read_text("utf-8").strip()
    except OSError as error:
        raise UsageError(f"{place}: cannot read '{path}': {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{place}: '{path}' is no text in UTF-8") from None
    if not secret:
        raise UsageError(f"{place}: '{path}' is empty")
    return secret


def _json_name(value: object) -> str:
    return "null" if value is None else _NAMES[type(value)]


def _toml_name(value: object) -> str:
    return _NAMES.get(type(value), "a time or date")


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) else json.dumps(value, default=str)


def _number(place: str, text: str, kind: type[int | float], what: str) -> float:
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{place}: '{text}' is no {what}") from None


def _port(place: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise UsageError(f"{place}: '{text}' is no port; accepted: 0 (any free one) to 65535")
    return int(text)


def _filter(place: str, text: str) -> str:
    for part in text.split(","):
        if not _LEVEL.fullmatch(part.strip()):
            raise UsageError(
                f"{place}: '{part}' is no level of the log; accepted: error, warn, info, debug,"
                " trace, off, and after commas TARGET=LEVEL"
            )
    return text


def _existing(place: str, path: str) -> str:
    if not Path(path).exists():
        raise UsageError(f"{place}: no such file: '{path}'")
    return path


def _model(place: str, name: str) -> str:
    # A hub's name has at most one slash and begins with a letter or digit; the rest are paths.
    if (name.startswith(("/", ".", "~")) or name.count("/") > 1) and not Path(name).exists():
        raise UsageError(
            f"{place}: no such file or folder: '{name}' (the hub's names are OWNER/NAME)"
        )
    return name
