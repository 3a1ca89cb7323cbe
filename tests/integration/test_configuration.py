"""`Worker(engine, config)` checks all of it at once, before anything runs."""

import re
from dataclasses import replace
from typing import Any

import pytest

from dynamo_backend_common import InvalidArgument, RuntimeConfig, Worker, WorkerConfig, run
from dynamo_backend_common._core import cleanup_seconds
from dynamo_backend_common.engines.echo import Echo
from support.launcher import Launcher

WRONG = [
    ({"model_input": "Text"}, ["model_input", "Text", "Tokens"]),
    ({"model_input": "Token"}, ["model_input", "Token", "Tokens"]),
    ({"endpoint_types": "chat,speech"}, ["endpoint_types", "speech", "chat", "completions"]),
    ({"endpoint_types": " ,"}, ["endpoint_types", "chat", "completions"]),
    ({"disaggregation_mode": "half"}, ["disaggregation_mode", "half", "prefill", "decode"]),
    ({"structural_tag_mode": "maybe"}, ["structural_tag_mode", "maybe", "on", "off"]),
    ({"structural_tag_scope": "never"}, ["structural_tag_scope", "never", "auto", "always"]),
    ({"structural_tag_schema": "lax"}, ["structural_tag_schema", "lax", "auto", "strict"]),
    ({"health_check_payload": {"token_ids": object()}}, ["health_check_payload", "object"]),
    ({"custom_jinja_template": "/x.jinja"}, ["custom_jinja_template", "model_name"]),
]
WRONG_RUNTIME = [
    ({"discovery_backend": "etdc"}, ["discovery_backend", "etdc", "etcd", "kubernetes", "mem"]),
    ({"request_plane": "udp"}, ["request_plane", "udp", "tcp", "nats"]),
    ({"response_plane": "udp"}, ["response_plane", "udp", "tcp", "quic"]),
    ({"event_plane": "mail"}, ["event_plane", "mail", "nats", "zmq"]),
    ({"grace_period_seconds": -1}, ["grace_period_seconds: -1", "from 0 to 86400"]),
    ({"prefill_drain_seconds": "long"}, ["prefill_drain_seconds: 'long'", "a number of seconds"]),
    ({"sleep_drain_seconds": float("nan")}, ["sleep_drain_seconds: NaN", "from 0 to 86400"]),
    ({"decode_keep_seconds": 86401}, ["decode_keep_seconds: 86401", "from 0 to 86400"]),
    ({"connect_timeout_seconds": -0.5}, ["connect_timeout_seconds: -0.5", "from 0 to 86400"]),
    ({"shutdown_timeout_seconds": 2.5}, ["shutdown_timeout_seconds: 2.5", "int, 0 or more"]),
    ({"shutdown_timeout_seconds": -1}, ["shutdown_timeout_seconds: -1", "int, 0 or more"]),
    ({"system_port": 65536}, ["system_port: 65536", "0 to 65535", "-1"]),
    ({"system_port": "http"}, ["system_port: 'http'", "accepted: int, or None"]),
    ({"system_host": ""}, ["system_host: ''", "an address"]),
    ({"system_live_path": "live"}, ["system_live_path: 'live'", "begins with '/'"]),
    ({"system_health_path": ""}, ["system_health_path: ''", "begins with '/'"]),
    ({"health_check_enabled": "yes"}, ["health_check_enabled: 'yes'", "bool, or None"]),
    ({"canary_wait_seconds": -1}, ["canary_wait_seconds: -1", "int, 0 or more"]),
    ({"health_check_timeout_seconds": 0}, ["health_check_timeout_seconds: 0", "1 or more"]),
]


def changed(**values: Any) -> WorkerConfig:
    """A configuration that a program without a type checker makes."""
    return replace(WorkerConfig(), **values)


def refused(config: Any, parts: list[str], engine: Any = None) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Worker(engine or Echo(), config)
    for part in parts:
        assert re.search(re.escape(part), str(caught.value), re.IGNORECASE), str(caught.value)


@pytest.mark.parametrize(("values", "parts"), WRONG)
def test_a_wrong_value_is_refused_by_name_with_what_is_accepted(
    values: dict[str, Any], parts: list[str]
) -> None:
    refused(WorkerConfig(**values), parts)


@pytest.mark.parametrize(("values", "parts"), WRONG_RUNTIME)
def test_a_wrong_value_of_the_runtime_is_refused_too(
    values: dict[str, Any], parts: list[str]
) -> None:
    refused(WorkerConfig(runtime=RuntimeConfig(**values)), parts)


@pytest.mark.parametrize("token", [b"hidden", " ", "hidden\nmore", "hidden\ud800"])
def test_a_wrong_token_is_refused_without_showing_it(token: Any) -> None:
    config = WorkerConfig(runtime=RuntimeConfig(system_token=token))
    with pytest.raises(InvalidArgument, match=r"^system_token: .*accepted: ") as caught:
        Worker(Echo(), config)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("discovery_backend", ("mem", "file")),
        ("system_port", (0, -1)),
        ("system_token", ("hidden1", "hidden2")),
    ],
)
def test_workers_that_run_at_once_agree_about_what_is_one_for_the_process(
    name: str, values: tuple[Any, Any]
) -> None:
    configs = [WorkerConfig(runtime=RuntimeConfig(**{name: value})) for value in values]
    with pytest.raises(InvalidArgument, match=f"^{name}: .* one for the process") as caught:
        run(*(Worker(Echo(), config) for config in configs))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("mode", ["agg", " Decode ", "PREFILL", "aggregated"])
def test_text_forms_of_the_mode_are_accepted(mode: str) -> None:
    Worker(Echo(), changed(disaggregation_mode=mode))


def test_a_wrong_type_is_refused_by_name() -> None:
    refused(changed(namespace=5), ["namespace", "int", "str"])
    refused(changed(enable_kv_routing="no"), ["enable_kv_routing", "str", "bool"])
    refused(changed(max_queued_seconds="long"), ["str", "a number of seconds, or None"])


@pytest.mark.parametrize("method", ["start", "generate", "cleanup"])
def test_an_object_without_a_required_method_is_refused_by_it(method: str) -> None:
    methods = {name: lambda self: None for name in ("start", "generate", "cleanup")}
    del methods[method]
    refused(WorkerConfig(), [method, "Half"], type("Half", (), methods)())


def test_an_engine_may_fill_in_the_configuration() -> None:
    class Filling:
        seen: WorkerConfig | None = None

        def configure(self, config: WorkerConfig) -> WorkerConfig:
            self.seen = config
            return replace(config, endpoint_types="speech")

        async def start(self, worker_id: int) -> None: ...
        def generate(self, request: object, context: object) -> None: ...
        async def cleanup(self) -> None: ...

    engine, config = Filling(), WorkerConfig(namespace="filled")
    refused(config, ["endpoint_types", "speech"], engine)
    assert engine.seen == config


def test_the_time_for_cleanup_is_of_the_worker_s_own_budget() -> None:
    class Hurried:
        def configure(self, config: WorkerConfig) -> WorkerConfig:
            return replace(config, runtime=RuntimeConfig(shutdown_timeout_seconds=4))

        async def start(self, worker_id: int) -> None: ...
        def generate(self, request: object, context: object) -> None: ...
        async def cleanup(self) -> None: ...

    engine: Any = Hurried()
    worker = Worker(engine)
    assert worker._bridge is not None
    assert worker._bridge._cleanup_seconds == 2.0
    assert cleanup_seconds(worker.config.runtime) == 2.0
    assert cleanup_seconds(RuntimeConfig(shutdown_timeout_seconds=100)) == 5.0


def test_what_an_engine_filled_in_is_announced(launcher: Launcher) -> None:
    env = {"DYN_DISCOVERY_BACKEND": "mem"}
    process = launcher.command("serve", "plain:Filling", env=env)
    process.wait_for_line(r"^Serving on .*\.filled\.")
    assert process.terminate() == 0
