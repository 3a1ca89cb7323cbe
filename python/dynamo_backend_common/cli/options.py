"""The options: the one table of fields, and the command line's own, as arguments and back.

Of an option, its environment variable, its key in the file of ``--config`` and its default, the
first that is given counts.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .._core import config_fields, environment_variables
from ..config import RuntimeConfig, WorkerConfig
from .config_file import read_file
from .values import read_text, read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .values import Row

# The worker, and its log, read them by themselves: a bad value there is a warning, not an error,
# and a secret stays where it is.
_LEFT_TO_WORKER = {"health_check_payload", "log_level", "log_format", "system_token"}
_LEFT_TO_WORKER |= {"grace_period_seconds", "shutdown_timeout_seconds", "prefill_drain_seconds"}
_LEFT_TO_WORKER |= {"sleep_drain_seconds", "decode_keep_seconds", "connect_timeout_seconds"}

# For Dynamo, the second counts before the first.
_COUNTS_BEFORE = {"DYN_LOGGING_JSONL": "DYN_LOGGING_CONSOLE_FORMAT"}

_GROUPS = {"WorkerConfig": "worker", "RuntimeConfig": "runtime"}

_METAVARS = {
    "pairs": "NAME=VALUE",
    "JSON": "JSON|@FILE",
    "path": "PATH",
    "whole number": "NUMBER",
    "seconds": "SECONDS",
    "whole seconds": "SECONDS",
    "secret": "TOKEN|@FILE",
    "port": "N",
    "log filter": "LEVEL",
}


@dataclass(frozen=True, kw_only=True)
class OwnOption:
    """An option of the command line that is no field of the configuration."""

    owner: str
    name: str
    kind: str
    help: str
    variable: str = ""
    default: str | None = None
    values: list[str]


def _own_options() -> list[OwnOption]:
    frontend, log = "OpenAI frontend in the same process", "log"
    [level] = [row for row in environment_variables() if row.name == "DYN_LOG"]
    return [
        OwnOption(
            owner=frontend,
            name="http_port",
            kind="port",
            help="serve the OpenAI API on this port, 0: any free one; discovery is then mem unless"
            " chosen",
            values=[],
        ),
        OwnOption(
            owner=frontend,
            name="http_host",
            kind="text",
            default="127.0.0.1",
            help="address of the OpenAI API",
            values=[],
        ),
        OwnOption(
            owner="event loop",
            name="loop",
            kind="choice",
            default="asyncio",
            help="event loop of a Python engine; uvloop needs the package of that name",
            values=["asyncio", "uvloop"],
        ),
        OwnOption(
            owner=log,
            name="log_level",
            kind="log filter",
            variable=level.name,
            default=level.default,
            help="how much is logged: error, warn, info, debug, trace or off, also for one part"
            " of it, as in info,TARGET=LEVEL; warn on a terminal with an HTTP port",
            values=[],
        ),
        OwnOption(
            owner=log,
            name="log_format",
            kind="choice",
            variable="DYN_LOGGING_JSONL",
            default="text",
            help="form of the log's lines",
            values=["text", "json"],
        ),
    ]


OWN = _own_options()
"""The options that are no fields."""


@dataclass(frozen=True)
class Setting:
    """What one option is set to, and by what.

    Attributes:
        row: What the tables say of it.
        value: The value, as Python has it.
        kind: What said so.
        place: Where it is to be mended: the option, the variable, or the file's key.
    """

    row: Row
    value: Any
    kind: Literal["option", "variable", "file", "default", "engine"]
    place: str

    @property
    def source(self) -> str:
        """Where the value came from, in words."""
        return self.kind if self.kind in ("default", "engine") else f"{self.kind} {self.place}"


def flag(name: str) -> str:
    """The option of the field ``name``."""
    return "--" + name.replace("_", "-")


def option_rows() -> list[Row]:
    """What the tables say of every option, in the order in which help shows them."""
    return [*OWN, *config_fields()]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds an option for every field of `WorkerConfig` and `RuntimeConfig`, and the other ones."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="TOML file whose keys are the options below, with underscores; an option overrides its"
        " environment variable, that overrides the file, and the file overrides the default",
    )
    groups: dict[str, Any] = {}
    for row in option_rows():
        title = _GROUPS.get(row.owner, row.owner)
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        groups[title].add_argument(flag(row.name), **_argument(row))


def read_settings(
    options: argparse.Namespace, environ: Mapping[str, str] | None = None
) -> dict[str, Setting]:
    """What every option is set to, by its name.

    Args:
        options: What the parser of `add_options` returned.
        environ: Environment variables; None: those of the process.

    Raises:
        UsageError: A value is not accepted; the message names its option, variable or key.
    """
    environ = os.environ if environ is None else environ
    rows = option_rows()
    path = options.config
    file = {} if path is None else read_file(path, [row.name for row in rows])
    return {row.name: _setting(row, options, environ, file) for row in rows}


def configuration(settings: Mapping[str, Setting]) -> WorkerConfig:
    """The configuration that ``settings`` say."""
    values: dict[str, dict[str, Any]] = {"WorkerConfig": {}, "RuntimeConfig": {}}
    for field in config_fields():
        values[field.owner][field.name] = settings[field.name].value
    return WorkerConfig(**values["WorkerConfig"], runtime=RuntimeConfig(**values["RuntimeConfig"]))


def value_in(config: WorkerConfig, name: str) -> Any:
    """The field ``name`` of the configuration, or of its runtime's."""
    return getattr(config if hasattr(config, name) else config.runtime, name)


def as_configured(settings: Mapping[str, Setting], config: WorkerConfig) -> list[Setting]:
    """The settings, with what the engine's ``configure`` has changed in the configuration."""
    fields = {field.name: value_in(config, field.name) for field in config_fields()}
    return [
        Setting(setting.row, fields[name], "engine", setting.place)
        if name in fields and fields[name] != setting.value
        else setting
        for name, setting in settings.items()
    ]


def name_place(message: str, settings: Mapping[str, Setting]) -> str:
    """``message`` with the option, variable or key for the field's name that it begins with."""
    name, colon, rest = message.partition(":")
    return f"{settings[name].place}:{rest}" if colon and name in settings else message


def _argument(row: Row) -> dict[str, Any]:
    variable = f"; environment: {row.variable}" if row.variable else ""
    notes = f"(default: {row.default or 'unset'}{variable})"
    argument: dict[str, Any] = {"help": f"{row.help} {notes}".replace("%", "%%")}
    match row.kind:
        case "flag":
            argument["action"] = argparse.BooleanOptionalAction
        case "choice":
            argument["metavar"] = "{" + ",".join(row.values) + "}"
        case kind:
            argument["metavar"] = _METAVARS.get(kind, "TEXT")
            if kind == "pairs":
                argument["action"] = "append"
    return argument


def _setting(
    row: Row, options: argparse.Namespace, environ: Mapping[str, str], file: Mapping[str, Any]
) -> Setting:
    option, place, variable = getattr(options, row.name), flag(row.name), row.variable
    if environ.get(_COUNTS_BEFORE.get(variable, "")):
        variable = _COUNTS_BEFORE[variable]
    text = environ.get(variable)
    if option is not None:
        return Setting(row, read_text(row, place, option), "option", place)
    if text and row.name in _LEFT_TO_WORKER:
        return Setting(row, None, "variable", variable)
    if text:
        given = text.split(",") if row.kind == "pairs" else text
        return Setting(row, read_text(row, variable, given), "variable", variable)
    if row.name in file:
        key = f"{options.config}: {row.name}"
        return Setting(row, read_toml(row, key, file[row.name]), "file", key)
    if isinstance(row, OwnOption):
        default = row.default and read_text(row, place, row.default)
    else:
        default = value_in(WorkerConfig(), row.name)
    return Setting(row, default, "default", place)
