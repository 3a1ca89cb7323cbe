"""The file of ``--config``."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from dynamo_backend_common import RuntimeConfig, WorkerConfig
from dynamo_backend_common.cli.failure import UsageError
from dynamo_backend_common.cli.options import (
    OWN,
    add_options,
    configuration,
    option_rows,
    read_settings,
)

EVERYTHING = """
http_port = 8000
http_host = "::1"
loop = "uvloop"
log_level = "warn"
log_format = "json"
namespace = "n"
namespace_worker_suffix = "v2"
component = "c"
endpoint = "e"
model_name = "owner/name"
served_model_name = "s"
model_input = "Tokens"
endpoint_types = "chat"
custom_jinja_template = "worker.toml"
tool_call_parser = "t"
reasoning_parser = "r"
default_thinking_mode = "Enabled"
exclude_tools_when_tool_choice_none = false
enable_local_indexer = false
enable_kv_routing = false
kv_state_endpoint = "n.kv.e"
metrics_labels = {team = "a", "b.c" = "d=e"}
disaggregation_mode = "agg"
route_to_encoder = true
media_decoder = {image = {}}
media_fetcher = {timeout_seconds = 3}
health_check_payload = {token_ids = [1]}
max_concurrent_requests = 4
max_queued_requests = 0
max_queued_seconds = 2
structural_tag_mode = "On"
structural_tag_scope = "always"
structural_tag_schema = "Strict"
structural_tag_with_structured_output = true
structural_tag_exclude_special_tokens = false
structural_tag_reasoning_boundary = "backend"
structural_tag_arguments_any_order = true
discovery_backend = "mem"
request_plane = "nats"
response_plane = "quic"
event_plane = "zmq"
grace_period_seconds = 0.5
shutdown_timeout_seconds = 7
prefill_drain_seconds = 1
sleep_drain_seconds = 2
decode_keep_seconds = 3
connect_timeout_seconds = 0
system_port = 0
system_host = "::1"
system_live_path = "/livez"
system_health_path = "/healthz"
system_token = "t"
health_check_enabled = true
canary_wait_seconds = 4
health_check_timeout_seconds = 5
"""


def values(folder: Path, text: str | bytes) -> dict[str, Any]:
    file = folder / "worker.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    parser = argparse.ArgumentParser()
    add_options(parser)
    settings = read_settings(parser.parse_args(["--config", "worker.toml"]), {})
    return {name: setting.value for name, setting in settings.items()} | {
        "config": configuration(settings)
    }


def test_every_option_can_be_in_the_file(folder: Path) -> None:
    found = values(folder, EVERYTHING)
    names = [line.partition(" ")[0] for line in EVERYTHING.strip().splitlines()]
    assert names == [row.name for row in option_rows()]
    assert [found[row.name] for row in OWN] == [8000, "::1", "uvloop", "warn", "json"]
    assert found["config"] == WorkerConfig(
        namespace="n",
        namespace_worker_suffix="v2",
        component="c",
        endpoint="e",
        model_name="owner/name",
        served_model_name="s",
        endpoint_types="chat",
        custom_jinja_template="worker.toml",
        tool_call_parser="t",
        reasoning_parser="r",
        default_thinking_mode="enabled",
        exclude_tools_when_tool_choice_none=False,
        enable_local_indexer=False,
        enable_kv_routing=False,
        kv_state_endpoint="n.kv.e",
        metrics_labels=(("team", "a"), ("b.c", "d=e")),
        route_to_encoder=True,
        media_decoder={"image": {}},
        media_fetcher={"timeout_seconds": 3},
        health_check_payload={"token_ids": [1]},
        max_concurrent_requests=4,
        max_queued_requests=0,
        max_queued_seconds=2.0,
        structural_tag_mode="On",
        structural_tag_scope="Always",
        structural_tag_schema="Strict",
        structural_tag_with_structured_output=True,
        structural_tag_exclude_special_tokens=False,
        structural_tag_reasoning_boundary="Backend",
        structural_tag_arguments_any_order=True,
        runtime=RuntimeConfig(
            discovery_backend="mem",
            request_plane="nats",
            response_plane="quic",
            event_plane="zmq",
            grace_period_seconds=0.5,
            shutdown_timeout_seconds=7,
            prefill_drain_seconds=1.0,
            sleep_drain_seconds=2.0,
            decode_keep_seconds=3.0,
            connect_timeout_seconds=0.0,
            system_port=0,
            system_host="::1",
            system_live_path="/livez",
            system_health_path="/healthz",
            system_token="t",
            health_check_enabled=True,
            canary_wait_seconds=4,
            health_check_timeout_seconds=5,
        ),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_nam = 'x'", "worker.toml: unknown key 'model_nam'; the nearest is 'model_name'"),
        ("http-port = 80", "worker.toml: unknown key 'http-port'; the nearest is 'http_port'"),
        ("[runtime]\nevent_plane = 'zmq'", "worker.toml: unknown key 'runtime'; the nearest is"),
        ('"" = 1', "worker.toml: unknown key ''; the nearest is"),
        ("component = 3", "worker.toml: component: a string is needed, 3 is a number"),
        ("component = a", "--config: 'worker.toml' is no TOML: "),
        ("component", "--config: 'worker.toml' is no TOML: Expected '='"),
        (b"component = '\xff'", "--config: 'worker.toml' is no TOML: 'utf-8' codec can't"),
        (
            "enable_kv_routing = 'no'",
            "worker.toml: enable_kv_routing: true or false is needed, 'no' is a string",
        ),
        ("enable_kv_routing = 0", "worker.toml: enable_kv_routing: true or false is needed, 0 is"),
        (
            "max_concurrent_requests = true",
            "worker.toml: max_concurrent_requests: a whole number is needed, true is a boolean",
        ),
        (
            "max_concurrent_requests = 1.5",
            "worker.toml: max_concurrent_requests: a whole number is needed, 1.5 is a floating-",
        ),
        ("http_port = '8000'", "worker.toml: http_port: a whole number is needed, '8000' is a st"),
        ("http_port = 70000", "worker.toml: http_port: '70000' is no port; accepted: 0 (any free"),
        (
            "system_token = 12345678",
            "worker.toml: system_token: a string is needed, what is given is",
        ),
        (
            "max_queued_seconds = 07:32:00",
            'worker.toml: max_queued_seconds: a number of seconds is needed, "07:32:00" is a time',
        ),
        (
            "metrics_labels = ['a=b']",
            'worker.toml: metrics_labels: a table of strings is needed, ["a=b"] is an array',
        ),
        (
            "metrics_labels = {a = 1}",
            "worker.toml: metrics_labels: a table of strings is needed, in it 1 is a number",
        ),
        (
            "canary_wait_seconds = 1.5",
            "worker.toml: canary_wait_seconds: a whole number of seconds is needed, 1.5 is a float",
        ),
        ("system_token = 7", "worker.toml: system_token: a string is needed, what is given is a"),
        ("event_plane = 'mail'", "worker.toml: event_plane: 'mail' is unknown; accepted: nats"),
        ("model_name = './none'", "worker.toml: model_name: no such file or folder: './none'"),
        ("health_check_payload = 1", "worker.toml: health_check_payload: a table, or a string"),
        ("health_check_payload = '1'", "worker.toml: health_check_payload: a JSON object is nee"),
        ("log_level = 'loud'", "worker.toml: log_level: 'loud' is no level of the log"),
    ],
)
def test_what_the_file_cannot_say(folder: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        values(folder, text)
    assert str(raised.value).startswith(message)


def test_a_payload_may_be_json_as_in_the_variable(folder: Path) -> None:
    found = values(folder, """health_check_payload = '{"token_ids": [1]}'""")
    assert found["health_check_payload"] == {"token_ids": [1]}


@pytest.mark.parametrize(
    ("path", "why"), [("none.toml", "No such file"), (".", "Is a dir"), ("", "Is a")]
)
def test_a_file_that_cannot_be_read(folder: Path, path: str, why: str) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    with pytest.raises(UsageError, match=f"^--config: cannot read '{path}': {why}"):
        read_settings(parser.parse_args(["--config", path]), {})
