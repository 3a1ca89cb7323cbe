"""The dataclasses of the configuration."""

import dataclasses
import os
import pickle
from typing import Any

import pytest

from dynamo_backend_common import EngineConfig, RuntimeConfig, WorkerConfig

VARIABLES = {
    "discovery_backend": ("DYN_DISCOVERY_BACKEND", "mem"),
    "request_plane": ("DYN_REQUEST_PLANE", "nats"),
    "event_plane": ("DYN_EVENT_PLANE", "zmq"),
}

MADE: list[Any] = [EngineConfig(model="m"), RuntimeConfig(), WorkerConfig()]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, _ in VARIABLES.values():
        monkeypatch.setenv(variable, "as it was")


@pytest.mark.parametrize("config", MADE, ids=lambda config: type(config).__name__)
def test_a_config_is_immutable_and_has_no_other_fields(config: Any) -> None:
    name = dataclasses.fields(config)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, name, "changed")
    assert not hasattr(config, "__dict__")


@pytest.mark.parametrize("config", MADE, ids=lambda config: type(config).__name__)
def test_a_config_takes_keywords_only_and_survives_pickling(config: Any) -> None:
    with pytest.raises(TypeError, match="positional"):
        type(config)("m")
    assert pickle.loads(pickle.dumps(config)) == config


def test_unset_runtime_fields_leave_their_variables() -> None:
    RuntimeConfig().apply_to_env()
    assert {os.environ[variable] for variable, _ in VARIABLES.values()} == {"as it was"}
    assert not RuntimeConfig().has_overrides()


@pytest.mark.parametrize("name", VARIABLES)
def test_a_runtime_field_writes_its_own_variable_only(name: str) -> None:
    variable, value = VARIABLES[name]
    config = RuntimeConfig(**{name: value})
    config.apply_to_env()
    assert os.environ[variable] == value
    assert config.has_overrides()
    others = [other for other, _ in VARIABLES.values() if other != variable]
    assert {os.environ[other] for other in others} == {"as it was"}


def test_runtime_data_is_not_shared() -> None:
    assert EngineConfig(model="a").runtime_data is not EngineConfig(model="b").runtime_data
