"""What ``serve --check`` writes: the whole configuration, and where each value came from.

It is TOML, so it can be kept as a file for ``--config``.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from .._core import environment_variables, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .options import Setting


def explain(settings: Iterable[Setting], environ: Mapping[str, str] | None = None) -> str:
    """The settings as TOML, then what the environment has beside them, as comments.

    What is secret is not shown.
    """
    environ = os.environ if environ is None else environ
    settings = list(settings)
    said = [(_line(setting), setting.source) for setting in settings]
    shown = {setting.row.variable for setting in settings if setting.value is not None}
    for variable in environment_variables():
        text = environ.get(variable.name)
        if text and variable.name not in shown:
            said.append((f"# {variable.name} = {_toml(_public(variable.kind, text))}", "variable"))
    width = max(len(line) for line, _ in said if len(line) < 60)
    return "\n".join(f"{line.ljust(width)}  # {source}" for line, source in said)


def _public(kind: str, text: str) -> str:
    match kind:
        case "secret":
            return "(set)"
        case "addresses":
            return without_credentials(text)
    return text


def _line(setting: Setting) -> str:
    if setting.value is None:
        state = "unset" if setting.kind == "default" else "left to the worker"
        return f"# {setting.row.name} is {state}"
    if setting.row.kind == "secret":
        # A file that has "(set)" would have that for a token.
        return f"# {setting.row.name} is set"
    return f"{setting.row.name} = {_toml(setting.value, setting.row.kind)}"


def _toml(value: Any, kind: str = "") -> str:
    if kind == "pairs":
        return "{" + ", ".join(f"{_toml(name)} = {_toml(text)}" for name, text in value) + "}"
    if kind == "JSON":
        value = json.dumps(dict(value))
    # JSON's strings, numbers and booleans are TOML's, but for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
