"""The configuration as ``serve --check`` writes it."""

import argparse
import tomllib

from dynamo_backend_common.cli.explain import explain
from dynamo_backend_common.cli.options import add_options, read_settings


def explained(*argv: str, **environ: str) -> str:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return explain(read_settings(parser.parse_args(argv), environ).values(), environ)


def test_it_is_toml_that_says_the_same() -> None:
    awkward = 'a "quoted" \\ é 😀 \x7f\x01'
    payload = '{"a": null, "b": [1]}'
    said = tomllib.loads(
        explained(
            *("--component", awkward, "--metrics-labels", "a b=c", "--http-port", "80"),
            *("--no-enable-kv-routing", "--health-check-payload", payload),
        )
    )
    assert said["component"] == awkward
    assert said["metrics_labels"] == {"a b": "c"}
    assert said["http_port"] == 80
    assert said["enable_kv_routing"] is False
    assert said["health_check_payload"] == payload
    assert "served_model_name" not in said


def test_what_is_unset_is_told() -> None:
    lines = [line.split() for line in explained().splitlines()]
    assert ["#", "served_model_name", "is", "unset", "#", "default"] in lines


def test_variables_that_no_option_has_are_told_without_secrets() -> None:
    said = explained(
        DYN_SYSTEM_PORT="9090",
        DYN_SYSTEM_TOKEN="secret1",
        ETCD_AUTH_PASSWORD="secret2",
        NATS_SERVER="me:secret3@host:4222",
        ETCD_ENDPOINTS="http://me:secret4@secret5@a:2379,me:secret6@b",
        DYN_HEALTH_CHECK_PAYLOAD="{}",
        DYN_COMPONENT="c",
    )
    assert "\nsystem_port = 9090 " in said
    assert "# DYN_SYSTEM_PORT" not in said
    assert '# DYN_SYSTEM_TOKEN = "(set)"' in said
    assert '# NATS_SERVER = "host:4222"' in said
    assert '# ETCD_ENDPOINTS = "http://a:2379,b"' in said
    assert '# DYN_HEALTH_CHECK_PAYLOAD = "{}"' in said
    assert '# ETCD_AUTH_PASSWORD = "(set)"' in said
    assert "secret" not in said
    assert "# DYN_COMPONENT" not in said
    [payload] = [line for line in said.splitlines() if "health_check_payload" in line]
    assert payload.startswith("# health_check_payload is left to the worker ")
    assert payload.endswith(" # variable DYN_HEALTH_CHECK_PAYLOAD")


def test_a_token_is_told_without_what_it_is() -> None:
    said = explained("--system-token", "secret", "--canary-wait-seconds", "4")
    [token] = [line for line in said.splitlines() if "system_token" in line]
    assert [part.strip() for part in token.split("#")] == [
        "",
        "system_token is set",
        "option --system-token",
    ]
    assert "secret" not in said
    assert tomllib.loads(said)["canary_wait_seconds"] == 4
