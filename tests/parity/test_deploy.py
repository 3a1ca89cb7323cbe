"""What is handed out to deploy with, against what it says the same as elsewhere."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RESERVE = 10
"""Seconds that a platform leaves beyond the deadline."""


def documents(name: str) -> dict[str, Any]:
    """The manifests of a file, by their kind."""
    return {str(one["kind"]): one for one in yaml.safe_load_all((DEPLOY / name).read_text())}


def settings(container: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value") for one in container["env"]}


def pods() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What describes a worker's pod, each with its container."""
    plain = documents("deployment.yaml")["Deployment"]["spec"]["template"]["spec"]
    operated = documents("dynamographdeployment.yaml")["DynamoGraphDeployment"]
    extra = operated["spec"]["services"]["Worker"]["extraPodSpec"]
    return [(plain, plain["containers"][0]), (extra, extra["mainContainer"])]


@pytest.mark.parametrize(("pod", "container"), pods(), ids=["plain", "operated"])
def test_a_pod_lives_longer_than_its_workers_deadline(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    env = settings(container)
    deadline = float(env["DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS"]) + float(
        env["DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT"]
    )
    assert pod["terminationGracePeriodSeconds"] >= deadline + RESERVE


@pytest.mark.parametrize(("pod", "container"), pods(), ids=["plain", "operated"])
def test_every_variable_is_one_that_operations_explain(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    explained = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in settings(container) if f"`{name}`" not in explained] == []


def test_the_service_finds_the_pods_and_the_monitor_scrapes_them() -> None:
    made = documents("deployment.yaml")
    template = made["Deployment"]["spec"]["template"]
    monitor = documents("podmonitor.yaml")["PodMonitor"]["spec"]
    labels = template["metadata"]["labels"].items()
    for selector in (
        made["Service"]["spec"]["selector"],
        made["Deployment"]["spec"]["selector"]["matchLabels"],
        monitor["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels
    container = template["spec"]["containers"][0]
    [port] = container["ports"]
    [endpoint] = monitor["podMetricsEndpoints"]
    probes = [value for key, value in container.items() if key.endswith("Probe")]
    named = {probe["httpGet"]["port"] for probe in probes} | {endpoint["port"]}
    assert named == {port["name"]}
    assert f"DYN_SYSTEM_PORT={port['containerPort']}" in (ROOT / "Dockerfile").read_text()


def test_the_account_is_the_pods_own() -> None:
    access = documents("rbac.yaml")
    account = documents("deployment.yaml")["Deployment"]["spec"]["template"]["spec"]
    name = access["ServiceAccount"]["metadata"]["name"]
    assert account["serviceAccountName"] == name
    assert access["RoleBinding"]["subjects"] == [{"kind": "ServiceAccount", "name": name}]
    assert access["RoleBinding"]["roleRef"]["name"] == access["Role"]["metadata"]["name"]


def test_the_rules_of_the_operator_are_those_of_prometheus() -> None:
    alone = yaml.safe_load((ROOT / "docs" / "monitoring" / "alerts.yml").read_text())
    assert documents("prometheusrule.yaml")["PrometheusRule"]["spec"] == alone


def test_grafana_finds_the_data_source_that_the_dashboard_asks_for() -> None:
    [source] = yaml.safe_load((DEPLOY / "grafana" / "datasources.yaml").read_text())["datasources"]
    board = json.loads((ROOT / "docs" / "monitoring" / "dashboard.json").read_text())
    [asked] = [one for one in board["templating"]["list"] if one["type"] == "datasource"]
    assert source["type"] == asked["query"]
    provider = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yaml").read_text())
    assert [one["type"] for one in provider["providers"]] == ["file"]


def test_every_file_of_the_folder_is_explained() -> None:
    said = (DEPLOY / "README.md").read_text()
    names = {path.name for path in DEPLOY.iterdir()} - {"README.md"}
    assert [name for name in names if f"`{name}" not in said] == []


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    maturin = [sys.executable, "-m", "maturin", "sdist", "--out", str(folder)]
    subprocess.run(maturin, cwd=ROOT, capture_output=True, check=True)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        files.extractall(folder)
    [unpacked] = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


def test_the_source_distribution_has_all_that_is_compiled(source: Path) -> None:
    patterns = ["rust", "python", "packaging", ".cargo", "Cargo.lock", "LICENSE", "README.md"]
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [name for name in listed.stdout.split("\n") if not (source / name).exists()] == []


def test_the_source_distribution_builds_from_the_same_crates(source: Path) -> None:
    """`make wheel` builds from it; here cargo has to agree with its manifests and its lock file."""
    copy = source.parent / "locked"
    shutil.copytree(source, copy)
    told = subprocess.run(
        ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=True,
    )
    packages = json.loads(told.stdout)["packages"]
    ours = {one["name"] for one in packages if one["source"] is None}
    assert {"dynamo-backend-python", "dynamo-backend-worker", "google-cloud-storage"} <= ours


def test_every_compatible_python_is_a_classifier() -> None:
    table = (ROOT / "docs" / "compatibility.md").read_text()
    said = set(re.findall(r"^\| Python (3\.\d+) \|", table, re.MULTILINE))
    classified = set(re.findall(r":: (3\.\d+)\"", (ROOT / "pyproject.toml").read_text()))
    assert said == classified
