"""docs/vllm.md against the code: controls, connectors, releases, and its pod."""

import re
from pathlib import Path

import yaml

from dynamo_backend_common.engines.vllm import transfer
from dynamo_backend_common.engines.vllm.installation import TESTED
from dynamo_backend_common.engines.vllm.paths import TOKEN_PATHS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "vllm.md").read_text()
ENGINE = ROOT / "python" / "dynamo_backend_common" / "engines" / "vllm"
RESERVE = 10
"""Seconds that a platform leaves beyond the deadline."""


def names(heading: str) -> set[str]:
    """What the first column of the table with this head has."""
    table = PAGE.split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0]
    rows = table.splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])}


def test_every_control_is_explained_and_no_other() -> None:
    source = "".join((ENGINE / name).read_text() for name in ("controls.py", "weights.py"))
    named = re.findall(r'"(\w+)": self\._\w+|(?:acting|looking|table)\["(\w+)"\] =', source)
    assert names("name") == {one or other for one, other in named}


def test_every_connector_is_explained() -> None:
    assert names("connector") == transfer._SHARED | transfer._WRAPPERS
    assert transfer._MOONCAKE == "MooncakeConnector"


def test_every_way_for_tokens_is_explained() -> None:
    assert names("`--token-path`") == set(TOKEN_PATHS)


def test_the_releases_are_those_that_are_tested() -> None:
    compatibility = (ROOT / "docs" / "compatibility.md").read_text()
    assert f"Tested are {' and '.join(TESTED)};" in PAGE
    assert f"| vLLM | {', '.join(TESTED)}" in compatibility


def test_the_pod_lives_longer_than_its_workers_deadline() -> None:
    [manifest] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    pod = yaml.safe_load(manifest)["spec"]["template"]["spec"]
    [container] = pod["containers"]
    env = {item["name"]: item.get("value", "") for item in container["env"]}
    deadline = float(env["DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS"]) + float(
        env["DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT"]
    )
    assert pod["terminationGracePeriodSeconds"] >= deadline + RESERVE
    explained = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in env if f"| `{name}`" not in explained] == []
    [port] = container["ports"]
    assert env["DYN_SYSTEM_PORT"] == str(port["containerPort"])
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert volumes == {mount["name"] for mount in container["volumeMounts"]}
