"""docs/operations.md against the code: variables, budgets, exit statuses."""

import configparser
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
RESERVE = 10
"""Seconds that a platform leaves beyond the deadline."""

_NAME = r"(?:DYN|ETCD|NATS|HF|OMP|XDG)_[A-Z0-9_]+"


def rows(heading: str) -> dict[str, str]:
    """The table below its head's first cell: its first column, with the second."""
    table = DOCUMENT.split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0]
    cells = [[cell.strip() for cell in row.split(" | ")] for row in table.splitlines()[2:]]
    return {row[0].strip("|` "): row[1] for row in cells}


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    return str(found)


def default(constant: str) -> int:
    """A constant of the settings; where builds differ, the release's."""
    source = (ROOT / "rust" / "lifecycle" / "src" / "settings.rs").read_text()
    [value] = re.findall(rf"const {constant}: Duration =\s*Duration::from_secs\((.*?)\);", source)
    return int(re.findall(r"\d+", value)[-1])


def deadline(env: dict[str, str]) -> float:
    """The deadline of a worker with this environment."""
    grace = env.get("DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS") or default("DEFAULT_GRACE")
    timeout = env.get("DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT") or default("DEFAULT_TIMEOUT")
    return float(grace) + int(timeout)


def test_every_variable_that_the_code_names_is_in_the_table_and_no_other() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "rust/*/src/*.rs", "python/*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    named: set[str] = set()
    for name in listed.stdout.splitlines():
        # A module's tests are at its end.
        source = (ROOT / name).read_text().split("#[cfg(test)]\nmod tests {")[0]
        named |= set(re.findall(rf'"({_NAME})"', source))
    assert set(rows("variable")) == named


def test_the_runtimes_variables_exist() -> None:
    metadata = subprocess.run(
        ["cargo", "metadata", "--offline", "--format-version", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    packages = json.loads(metadata.stdout)["packages"]
    [runtime] = [package for package in packages if package["name"] == "dynamo-runtime"]
    source = Path(runtime["manifest_path"]).parent / "src" / "config" / "environment_names.rs"
    known = set(re.findall(rf'"({_NAME})"', source.read_text()))
    assert set(rows("variable of the runtime")) <= known


@pytest.mark.parametrize(
    ("variable", "constant"),
    [
        ("DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS", "DEFAULT_GRACE"),
        ("DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT", "DEFAULT_TIMEOUT"),
        ("DYN_PREFILL_DRAIN_TIMEOUT_S", "DEFAULT_PREFILL_DRAIN"),
        ("DYN_CONNECT_TIMEOUT_SECS", "DEFAULT_CONNECT"),
        ("DYN_DECODE_KEEP_TIMEOUT_SECS", "DEFAULT_DECODE_KEEP"),
    ],
)
def test_the_defaults_of_times_are_the_codes(variable: str, constant: str) -> None:
    assert rows("variable")[variable].startswith(f"`{default(constant)}`")


def test_the_defaults_of_fields_are_the_codes() -> None:
    from dynamo_backend_common import _core

    documented = rows("variable")
    for field in _core.config_fields():
        if field.default:
            assert documented[field.variable].strip("`").lower() == field.default.lower(), field


def test_kubernetes_leaves_the_worker_alone_for_longer_than_its_deadline() -> None:
    pod = yaml.safe_load(block("yaml"))["spec"]["template"]["spec"]
    [container] = pod["containers"]
    env = {item["name"]: item.get("value", "") for item in container["env"]}
    hook = container.get("lifecycle", {}).get("preStop", {})
    before = float(hook.get("sleep", {}).get("seconds", 0)) if hook else 0.0
    assert not hook or before, "a preStop hook whose time is not known"
    needed = before + deadline(env) + RESERVE
    assert pod["terminationGracePeriodSeconds"] >= needed
    assert f"= {needed:.0f}," in DOCUMENT
    assert set(env) <= set(rows("variable")) | set(rows("variable of the runtime"))


def test_kubernetes_probes_reach_the_system_server() -> None:
    [container] = yaml.safe_load(block("yaml"))["spec"]["template"]["spec"]["containers"]
    env = {item["name"]: item.get("value", "") for item in container["env"]}
    [port] = container["ports"]
    assert env["DYN_SYSTEM_HOST"] == "0.0.0.0"
    assert env["DYN_SYSTEM_PORT"] == str(port["containerPort"])
    assert "DYN_SYSTEM_TOKEN" in env
    for probe, path in (("livenessProbe", "/live"), ("readinessProbe", "/health")):
        assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}


def test_systemd_waits_for_longer_than_the_deadline() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block("ini"))
    env = dict(re.findall(r"^Environment=(\w+)=(.*)$", block("ini"), re.MULTILINE))
    assert int(unit["Service"]["TimeoutStopSec"]) >= deadline(env) + RESERVE
    assert set(env) <= set(rows("variable"))


def test_every_exit_status_is_explained() -> None:
    assert set(rows("status")) == {"0", "1", "2", "3", "130", "143"}


def test_every_metric_of_the_worker_is_explained() -> None:
    folder = ROOT / "rust" / "worker" / "src"
    source = "".join(file.read_text() for file in sorted(folder.rglob("*.rs")))
    own = {f"dynamo_component_{name}" for name in re.findall(r': &str =\s+"(worker_\w+)"', source)}
    assert len(own) > 12
    assert own <= set(rows("metric"))
    assert "drained: 12 requests finished, none was cut" in DOCUMENT
