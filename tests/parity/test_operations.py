"""docs/operations.md against the code: budgets, exit statuses, metrics."""

import argparse
import configparser
import re
from pathlib import Path

import yaml

from dynamo_backend_common._core import environment_variables
from dynamo_backend_common.cli.command import COMMANDS
from dynamo_backend_common.cli.options import add_options, read_settings

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
RESERVE = 10
"""Seconds that a platform leaves beyond the deadline."""

VARIABLES = {variable.name: variable for variable in environment_variables()}


def rows(heading: str) -> dict[str, str]:
    """The table below its head's first cell: its first column, with the second."""
    table = DOCUMENT.split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0]
    cells = [[cell.strip() for cell in row.split(" | ")] for row in table.splitlines()[2:]]
    return {row[0].strip("|` "): row[1] for row in cells}


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    return str(found)


def deadline(env: dict[str, str]) -> float:
    """The deadline of a worker with this environment."""
    names = ("DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS", "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT")
    return sum(float(env.get(name) or VARIABLES[name].default or "") for name in names)


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
    assert env.keys() <= VARIABLES.keys()


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
    assert env.keys() <= VARIABLES.keys()


def test_every_exit_status_is_explained() -> None:
    assert set(rows("status")) == {"0", "1", "2", "3", "130", "143"}


def test_every_metric_of_the_worker_is_explained() -> None:
    folder = ROOT / "rust" / "worker" / "src"
    source = "".join(file.read_text() for file in sorted(folder.rglob("*.rs")))
    own = {f"dynamo_component_{name}" for name in re.findall(r': &str =\s+"(worker_\w+)"', source)}
    assert len(own) > 12
    assert own <= set(rows("metric"))
    assert "drained: 12 requests finished, none was cut" in DOCUMENT


def test_every_command_has_a_section() -> None:
    section = DOCUMENT.split("\n## The command line\n", 1)[1].split("\n## ", 1)[0]
    named = {command.__name__.rpartition(".")[2] for command in COMMANDS}
    assert set(re.findall("^### (.+)$", section, re.MULTILINE)) == named


def test_the_file_of_the_example_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    file.write_text(block("toml"))
    parser = argparse.ArgumentParser()
    add_options(parser)
    settings = read_settings(parser.parse_args(["--config", str(file)]), {})
    said = [name for name, setting in settings.items() if setting.kind == "file"]
    assert len(said) == len(block("toml").splitlines())
