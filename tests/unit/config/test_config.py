"""The dataclasses of the configuration."""

import dataclasses
import os
import pickle
from typing import Any

import pytest

from dynamo_backend_common import EngineConfig, RuntimeConfig, WorkerConfig

VARIABLES: dict[str, tuple[str, Any]] = {
    "discovery_backend": ("DYN_DISCOVERY_BACKEND", "mem"),
    "request_plane": ("DYN_REQUEST_PLANE", "nats"),
    "response_plane": ("DYN_RESPONSE_PLANE", "quic"),
    "event_plane": ("DYN_EVENT_PLANE", "zmq"),
    "shutdown_timeout_seconds": ("DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT", 7),
}
"""Of the fields that Dynamo's runtime reads too, the variable and a value."""

OWN: dict[str, Any] = {
    "grace_period_seconds": 0.5,
    "prefill_drain_seconds": 0.5,
    "sleep_drain_seconds": 0.5,
    "decode_keep_seconds": 0.5,
    "connect_timeout_seconds": 0.5,
    "system_port": 0,
    "system_host": "::1",
    "system_live_path": "/livez",
    "system_health_path": "/healthz",
    "system_token": "hidden",
    "health_check_enabled": True,
    "canary_wait_seconds": 1,
    "health_check_timeout_seconds": 1,
}
"""The fields that are the worker's own."""

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
    assert os.environ[variable] == str(value)
    assert config.has_overrides() == (name != "shutdown_timeout_seconds")
    others = [other for other, _ in VARIABLES.values() if other != variable]
    assert {os.environ[other] for other in others} == {"as it was"}


def test_what_is_the_worker_s_own_is_written_to_no_variable() -> None:
    assert {field.name for field in dataclasses.fields(RuntimeConfig)} == VARIABLES.keys() | OWN
    before = dict(os.environ)
    config = RuntimeConfig(**OWN)
    config.apply_to_env()
    assert os.environ == before
    assert not config.has_overrides()


def test_a_token_is_not_shown() -> None:
    assert "hidden" not in repr(WorkerConfig(runtime=RuntimeConfig(system_token="hidden")))


def test_runtime_data_is_not_shared() -> None:
    assert EngineConfig(model="a").runtime_data is not EngineConfig(model="b").runtime_data
