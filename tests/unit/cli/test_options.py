"""Options, environment variables and defaults."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from dynamo_backend_common import RuntimeConfig, WorkerConfig
from dynamo_backend_common._core import ConfigField, config_fields
from dynamo_backend_common.cli.failure import UsageError
from dynamo_backend_common.cli.options import (
    Setting,
    add_options,
    as_configured,
    configuration,
    flag,
    name_place,
    read_settings,
)

FIELDS = config_fields()


def settings(*argv: str, **environ: str) -> dict[str, Setting]:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return read_settings(parser.parse_args(argv), environ)


def read(*argv: str, **environ: str) -> WorkerConfig:
    return configuration(settings(*argv, **environ))


def value_of(config: WorkerConfig, field: ConfigField) -> Any:
    return getattr(config if field.owner == "WorkerConfig" else config.runtime, field.name)


def example(field: ConfigField, which: int) -> tuple[str, Any]:
    """A text for the field, and the value that it stands for."""
    match field.kind:
        case "flag":
            return ("false", False) if which == 0 else ("true", True)
        case "choice":
            value = field.values[-1 - which % len(field.values)]
            return value.lower(), value
        case "pairs":
            return f"name=value{which}", (("name", f"value{which}"),)
        case "JSON":
            return f'{{"which": {which}}}', {"which": which}
        case "whole number" | "whole seconds":
            return f"{which}", which
        case "seconds":
            return f"{which}.5", which + 0.5
        case "path":
            return (".", ".") if which == 0 else ("..", "..")
        case _:
            return f"text{which}", f"text{which}"


def option(field: ConfigField, which: int) -> list[str]:
    text, value = example(field, which)
    if field.kind == "flag":
        return [flag(field.name) if value else flag(field.name).replace("--", "--no-", 1)]
    return [flag(field.name), text]


def named(*fields: ConfigField) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("field", fields, ids=lambda field: field.name)


LEFT_TO_WORKER = {
    "health_check_payload",
    "system_token",
    "grace_period_seconds",
    "shutdown_timeout_seconds",
    "prefill_drain_seconds",
    "sleep_drain_seconds",
    "decode_keep_seconds",
    "connect_timeout_seconds",
}
VARIABLES = [field for field in FIELDS if field.name not in LEFT_TO_WORKER]


def test_nothing_given_is_the_default() -> None:
    assert read() == WorkerConfig()


@named(*FIELDS)
def test_every_field_is_an_option(field: ConfigField) -> None:
    assert value_of(read(*option(field, 0)), field) == example(field, 0)[1]


@named(*VARIABLES)
def test_a_variable_counts_where_there_is_no_option(field: ConfigField) -> None:
    assert field.variable is not None
    environ = {field.variable: example(field, 0)[0]}
    assert value_of(read(**environ), field) == example(field, 0)[1]


@named(*VARIABLES)
def test_an_option_counts_before_the_variable(field: ConfigField) -> None:
    assert field.variable is not None
    environ = {field.variable: example(field, 0)[0]}
    assert value_of(read(*option(field, 1), **environ), field) == example(field, 1)[1]


@named(*VARIABLES)
def test_an_empty_variable_is_unset(field: ConfigField) -> None:
    assert field.variable is not None
    assert read(**{field.variable: ""}) == WorkerConfig()


@named(*(field for field in FIELDS if field.name in LEFT_TO_WORKER))
def test_a_variable_that_the_worker_reads_by_itself_is_left_to_it(
    field: ConfigField, folder: Path
) -> None:
    (folder / "worker.toml").write_text(f"{field.name} = {'1' if 'sec' in field.kind else '{}'}")
    for text in ("no json, and no number", "@not-there"):
        found = settings("--config", "worker.toml", **{field.variable: text})[field.name]
        assert (found.value, found.source) == (None, f"variable {field.variable}")
    found = settings(*option(field, 0), **{field.variable: "bad"})[field.name]
    assert (found.value, found.kind) == (example(field, 0)[1], "option")


def test_a_token_may_be_in_a_file(folder: Path) -> None:
    (folder / "token").write_text(" s3cret \n")
    assert read("--system-token", "@token").runtime.system_token == "s3cret"
    assert read("--system-token", "as-it-is").runtime.system_token == "as-it-is"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot read 'token': No such file or directory"),
        (b" \n", "'token' is empty"),
        (b"\xff", "'token' is no text in UTF-8"),
    ],
)
def test_a_file_without_a_token_is_named(folder: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        (folder / "token").write_bytes(content)
    (folder / "worker.toml").write_text('system_token = "@token"')
    for argv in (["--system-token", "@token"], ["--config", "worker.toml"]):
        with pytest.raises(UsageError) as raised:
            read(*argv)
        place = "--system-token" if len(argv[1]) < 8 else "worker.toml: system_token"
        assert str(raised.value) == f"{place}: {why}"


@pytest.mark.parametrize("text", ["many", "1.5", ""])
def test_a_limit_that_is_no_number_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"--max-concurrent-requests: .* is no whole number"):
        read("--max-concurrent-requests", text)
    with pytest.raises(UsageError, match="DYN_REQUEST_QUEUE_TIMEOUT_SECS: 'long' is no number"):
        read(DYN_REQUEST_QUEUE_TIMEOUT_SECS="long")


def test_labels_accumulate() -> None:
    config = read("--metrics-labels", "a=1", "--metrics-labels", "b=x=y")
    assert config.metrics_labels == (("a", "1"), ("b", "x=y"))
    assert read(DYN_METRICS_LABELS="a=1, b=2").metrics_labels == (("a", "1"), ("b", "2"))


def test_a_payload_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "canary.json").write_text('{"token_ids": [1]}')
    config = read("--health-check-payload", f"@{tmp_path / 'canary.json'}")
    assert config.health_check_payload == {"token_ids": [1]}


@pytest.mark.parametrize("text", ["agg", "Agg", " AGGREGATED "])
def test_the_short_name_of_the_mode(text: str) -> None:
    assert read("--disaggregation-mode", text).disaggregation_mode == "Aggregated"


def test_the_runtime_is_part_of_the_configuration() -> None:
    config = read("--discovery-backend", "FILE", DYN_EVENT_PLANE="zmq")
    assert config.runtime == RuntimeConfig(discovery_backend="file", event_plane="zmq")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--discovery-backend", "zookeeper"],
            "--discovery-backend: 'zookeeper' is unknown; accepted: etcd, kubernetes, file, mem",
        ),
        (["--request-plane", "udp"], "--request-plane: 'udp' is unknown; accepted: tcp, nats"),
        (["--event-plane", "x"], "--event-plane: 'x' is unknown; accepted: nats, zmq"),
        (
            ["--model-input", "Words"],
            "--model-input: 'Words' is unknown; accepted: Tokens, Text, Tensor",
        ),
        (
            ["--disaggregation-mode", "both"],
            (
                "--disaggregation-mode: 'both' is unknown; accepted: Aggregated, Prefill, Decode,"
                " Encode"
            ),
        ),
        (["--metrics-labels", "a"], "--metrics-labels: 'a' is not of the form name=value"),
        (["--metrics-labels", "=b"], "--metrics-labels: '=b' is not of the form name=value"),
        (
            ["--health-check-payload", "[1]"],
            "--health-check-payload: a JSON object is needed, '[1]' is an array",
        ),
        (
            ["--health-check-payload", "@not-there"],
            "--health-check-payload: cannot read 'not-there': No such file or directory",
        ),
        (["--custom-jinja-template", "no.jinja"], "--custom-jinja-template: no such file"),
        (["--model-name", "./not-there"], "--model-name: no such file or folder: './not-there'"),
        (["--grace-period-seconds", "5s"], "--grace-period-seconds: '5s' is no number of seconds"),
        (
            ["--shutdown-timeout-seconds", "2.5"],
            "--shutdown-timeout-seconds: '2.5' is no whole number of seconds",
        ),
        (["--system-port", "http"], "--system-port: 'http' is no whole number"),
        (["--model-name", "a/b/c"], "--model-name: no such file or folder: 'a/b/c'"),
    ],
)
def test_a_bad_value_is_told_with_its_option(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(*argv)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("variable", "text"),
    [("DYN_DISCOVERY_BACKEND", "zk"), ("DYN_ENABLE_KV_ROUTING", "maybe"), ("DYN_MODEL_NAME", "/x")],
)
def test_a_bad_value_of_the_environment_is_told_with_its_variable(variable: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"^{variable}: .*'{text}'"):
        read(**{variable: text})


def test_a_name_of_the_hub_is_no_path() -> None:
    assert read("--model-name", "owner/name").model_name == "owner/name"


def test_help_shows_default_and_variable_of_every_field() -> None:
    parser = argparse.ArgumentParser(
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=300)
    )
    add_options(parser)
    text = " ".join(parser.format_help().split())
    for field in FIELDS:
        assert flag(field.name) in text
        assert f"(default: {field.default or 'unset'}; environment: {field.variable})" in text


def test_every_field_of_the_dataclasses_is_in_the_table() -> None:
    fields = {*dataclasses.fields(WorkerConfig), *dataclasses.fields(RuntimeConfig)}
    assert {field.name for field in fields} - {"runtime"} == {field.name for field in FIELDS}


def test_a_message_about_a_field_is_told_with_the_place_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    file.write_text('component = "x"')
    found = settings("--config", str(file), "--endpoint", "e", DYN_ENDPOINT_TYPES="x")
    assert name_place("endpoint: 'e' is bad", found) == "--endpoint: 'e' is bad"
    assert name_place("endpoint_types: 'x'", found) == "DYN_ENDPOINT_TYPES: 'x'"
    assert name_place("component: 'x'", found) == f"{file}: component: 'x'"
    assert name_place("something: else", found) == "something: else"


def test_every_setting_knows_where_its_value_came_from(tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    file.write_text('component = "file"\nendpoint = "file"\nnamespace = "file"\n')
    found = settings(
        "--config", str(file), "--endpoint", "option", DYN_COMPONENT="v", DYN_ENDPOINT="v"
    )
    said = {name: (setting.value, setting.source) for name, setting in found.items()}
    assert said["endpoint"] == ("option", "option --endpoint")
    assert said["component"] == ("v", "variable DYN_COMPONENT")
    assert said["namespace"] == ("file", f"file {file}: namespace")
    assert said["model_input"] == ("Tokens", "default")


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        ({}, "file {}: log_format"),
        ({"DYN_LOGGING_JSONL": "1"}, "variable DYN_LOGGING_JSONL"),
        (
            {"DYN_LOGGING_JSONL": "1", "DYN_LOGGING_CONSOLE_FORMAT": "readable"},
            "variable DYN_LOGGING_CONSOLE_FORMAT",
        ),
    ],
)
def test_either_variable_of_the_log_s_form_counts_before_the_file(
    tmp_path: Path, environ: dict[str, str], source: str
) -> None:
    file = tmp_path / "worker.toml"
    file.write_text('log_format = "json"')
    found = settings("--config", str(file), **environ)
    assert found["log_format"].source == source.format(file)


def test_what_the_engine_fills_in_is_told_as_the_engine_s() -> None:
    found = as_configured(settings(), WorkerConfig(model_name="its-own"))
    changed = [setting for setting in found if setting.source != "default"]
    assert [(row.row.name, row.value, row.source) for row in changed] == [
        ("model_name", "its-own", "engine")
    ]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--log-level", "loud"],
            "--log-level: 'loud' is no level of the log; accepted: error, warn, info, debug,",
        ),
        (["--log-level", "info,loud"], "--log-level: 'loud' is no level"),
        (["--log-level", ""], "--log-level: '' is no level"),
        (["--log-format", "xml"], "--log-format: 'xml' is unknown; accepted: text, json"),
        (["--loop", "trio"], "--loop: 'trio' is unknown; accepted: asyncio, uvloop"),
    ],
)
def test_a_bad_value_of_the_command_s_own_options(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(*argv)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("text", ["warn", "DEBUG", "warn,dynamo_backend_worker=debug", "a::b=off"])
def test_a_filter_of_the_log(text: str) -> None:
    assert settings("--log-level", text)["log_level"].value == text
