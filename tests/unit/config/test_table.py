"""The dataclasses and the one table of fields, which is Rust's, are the same list."""

import dataclasses
import os
from typing import Any

import pytest

from dynamo_backend_common import RuntimeConfig, WorkerConfig
from dynamo_backend_common._core import ConfigField, config_fields, environment_variables

OWNERS = {"WorkerConfig": WorkerConfig, "RuntimeConfig": RuntimeConfig}
KINDS = {"text", "secret", "path", "flag", "choice", "pairs", "whole number", "seconds", "JSON"}
KINDS |= {"whole seconds"}


def _table(owner: str) -> dict[str, ConfigField]:
    return {field.name: field for field in config_fields() if field.owner == owner}


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value == () else value


@pytest.mark.parametrize("owner", OWNERS)
def test_names_are_the_same(owner: str) -> None:
    fields = [field.name for field in dataclasses.fields(OWNERS[owner])]
    assert list(_table(owner)) == [name for name in fields if name != "runtime"]


@pytest.mark.parametrize("owner", OWNERS)
def test_defaults_are_the_same(owner: str) -> None:
    defaults = {name: getattr(OWNERS[owner](), name) for name in _table(owner)}
    if owner == "RuntimeConfig":
        # The default is that of the variable, which an unset field is left to.
        assert set(defaults.values()) == {None}
        return
    assert {name: _as_text(value) for name, value in defaults.items()} == {
        name: field.default for name, field in _table(owner).items()
    }


def test_every_field_belongs_to_a_dataclass_and_is_of_a_known_kind() -> None:
    assert {field.owner for field in config_fields()} == OWNERS.keys()
    assert {field.kind for field in config_fields()} <= KINDS


def test_every_field_has_help_and_a_variable_of_its_own() -> None:
    assert all(field.help for field in config_fields())
    variables = [field.variable for field in config_fields()]
    assert len(set(variables)) == len(variables)


def test_a_choice_lists_its_values_and_its_default_is_one_of_them() -> None:
    choices = [field for field in config_fields() if field.kind == "choice"]
    assert choices
    for field in choices:
        assert field.values
        assert field.default is None or field.default in field.values
    assert not any(field.values for field in config_fields() if field.kind != "choice")


def test_the_variables_of_the_runtime_are_those_that_the_dataclass_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = {row.name: row for row in environment_variables()}
    fields = _table("RuntimeConfig").values()
    of_runtime = {f.variable for f in fields if "Dynamo's runtime" in table[f.variable].read_by}
    for field in fields:
        monkeypatch.setenv(field.variable, "as it was")
    values: dict[str, Any] = {field.name: "1" for field in fields}
    RuntimeConfig(**values).apply_to_env()
    assert {field.variable for field in fields if os.environ[field.variable] == "1"} == of_runtime
