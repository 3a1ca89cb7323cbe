"""The options of the configuration: the one table of fields, as arguments and back.

Of an option, its environment variable and its default, the first that is given counts.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._core import config_fields
from ..config import RuntimeConfig, WorkerConfig
from .failure import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._core import ConfigField

_FLAGS = {"true": True, "1": True, "yes": True, "on": True}
_FLAGS |= {"false": False, "0": False, "no": False, "off": False}

_ALIASES = {"disaggregation_mode": {"agg": "Aggregated"}}

# The worker reads it by itself: a bad value there is a warning, not an error.
_LEFT_TO_WORKER = {"health_check_payload"}


def flag(name: str) -> str:
    """The option of the field ``name``."""
    return "--" + name.replace("_", "-")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds an option for every field of `WorkerConfig` and `RuntimeConfig`."""
    groups = {
        "WorkerConfig": parser.add_argument_group("worker"),
        "RuntimeConfig": parser.add_argument_group("runtime"),
    }
    for field in config_fields():
        groups[field.owner].add_argument(flag(field.name), **_argument(field))


def read_config(
    options: argparse.Namespace, environ: Mapping[str, str] | None = None
) -> WorkerConfig:
    """The configuration that options and environment say.

    Args:
        options: What the parser of `add_options` returned.
        environ: Environment variables; None: those of the process.

    Raises:
        UsageError: A value is not accepted; the message names its option or variable.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, dict[str, Any]] = {"WorkerConfig": {}, "RuntimeConfig": {}}
    for field in config_fields():
        source, given = _given(field, options, environ)
        if given is not None:
            values[field.owner][field.name] = _read(field, source, given)
    return WorkerConfig(**values["WorkerConfig"], runtime=RuntimeConfig(**values["RuntimeConfig"]))


def name_option(message: str) -> str:
    """``message`` with the option in place of the field, where it begins with a field's name."""
    name, colon, rest = message.partition(":")
    known = {field.name for field in config_fields()}
    return f"{flag(name)}:{rest}" if colon and name in known else message


def _argument(field: ConfigField) -> dict[str, Any]:
    notes = f"(default: {field.default or 'unset'}; environment: {field.variable})"
    argument: dict[str, Any] = {"help": f"{field.help} {notes}".replace("%", "%%")}
    match field.kind:
        case "flag":
            argument["action"] = argparse.BooleanOptionalAction
        case "pairs":
            argument |= {"action": "append", "metavar": "NAME=VALUE"}
        case "choice":
            argument["metavar"] = "{" + ",".join(field.values) + "}"
        case "JSON":
            argument["metavar"] = "JSON|@FILE"
        case "path":
            argument["metavar"] = "PATH"
        case "whole number":
            argument["metavar"] = "NUMBER"
        case "seconds":
            argument["metavar"] = "SECONDS"
        case _:
            argument["metavar"] = "TEXT"
    return argument


def _given(
    field: ConfigField, options: argparse.Namespace, environ: Mapping[str, str]
) -> tuple[str, Any]:
    option = getattr(options, field.name)
    if option is not None:
        return flag(field.name), option
    if field.name in _LEFT_TO_WORKER:
        return "", None
    text = environ.get(field.variable) or None
    if text is not None and field.kind == "pairs":
        return field.variable, text.split(",")
    return field.variable, text


def _read(field: ConfigField, source: str, given: Any) -> Any:
    match field.kind:
        case "flag":
            return given if isinstance(given, bool) else _choose(source, given, _FLAGS)
        case "choice":
            accepted = {value.casefold(): value for value in field.values}
            return _choose(source, given, accepted | _ALIASES.get(field.name, {}))
        case "pairs":
            return _pairs(source, given)
        case "JSON":
            return _json_object(source, given)
        case "path":
            return _existing(source, given)
        case "whole number":
            return _number(source, given, int, "whole number")
        case "seconds":
            return _number(source, given, float, "number of seconds")
        case _:
            return _model(source, given) if field.name == "model_name" else given


def _choose(source: str, text: str, accepted: Mapping[str, Any]) -> Any:
    try:
        return accepted[text.strip().casefold()]
    except KeyError:
        names = dict.fromkeys(
            value if isinstance(value, str) else key for key, value in accepted.items()
        )
        raise UsageError(f"{source}: '{text}' is unknown; accepted: {', '.join(names)}") from None


def _pairs(source: str, texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.strip()):
            raise UsageError(f"{source}: '{text}' is not of the form name=value")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)


def _json_object(source: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    except OSError as error:
        raise UsageError(f"{source}: cannot read '{text[1:]}': {error.strerror}") from None
    except ValueError as error:
        raise UsageError(
            f"{source}: '{text}' is no JSON object nor @file with one: {error}"
        ) from None
    if not isinstance(value, dict):
        raise UsageError(f"{source}: a JSON object is needed, '{text}' is {_json_name(value)}")
    return value


def _json_name(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _number(source: str, text: str, kind: type[int | float], what: str) -> float:
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{source}: '{text}' is no {what}") from None


def _existing(source: str, path: str) -> str:
    if not Path(path).exists():
        raise UsageError(f"{source}: no such file: '{path}'")
    return path


def _model(source: str, name: str) -> str:
    # A hub's name has at most one slash and begins with a letter or digit; the rest are paths.
    if (name.startswith(("/", ".", "~")) or name.count("/") > 1) and not Path(name).exists():
        raise UsageError(
            f"{source}: no such file or folder: '{name}' (the hub's names are OWNER/NAME)"
        )
    return name
