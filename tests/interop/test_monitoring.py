"""docs/monitoring against a fleet: two workers and Dynamo's frontend, scraped by a Prometheus."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
import yaml

from support.api import read_text, wait_for_model
from support.frontend import start_frontend
from support.metrics import lint
from support.ports import LOOPBACK
from support.processes import until
from support.prometheus import Prometheus
from support.system import System, serve

if TYPE_CHECKING:
    from support.launcher import Launcher

pytestmark = pytest.mark.frontend

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
RULES = FOLDER / "alerts.yml"
README = (FOLDER / "README.md").read_text()
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in PANELS
    for target in panel["targets"]
]
ALERTS = [
    pytest.param(rule["expr"], id=rule["alert"])
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
]
LABELS = {"dynamo_namespace", "dynamo_component", "dynamo_endpoint"}
MODEL = "parrot"


class Fleet:
    def __init__(self, launcher: Launcher, model_folder: str) -> None:
        options = ("--model-name", model_folder, "--served-model-name", MODEL)
        self.workers: list[System] = [
            serve(launcher, "measured:OfRanks", *options)[1] for _ in range(2)
        ]
        self.api = start_frontend(launcher)
        wait_for_model(self.api, MODEL)
        for _ in range(8):
            with self.api.stream_completion("alpha beta gamma", model=MODEL) as stream:
                read_text(stream)
        ports = {
            "dynamo-worker": [worker.port for worker in self.workers],
            "dynamo-frontend": [self.api.port],
        }
        self.prometheus = Prometheus(launcher, ports, RULES)
        self.prometheus.start()
        self.prometheus.scraped()

    def names(self, text: str) -> set[str]:
        return set(re.findall(r"^([a-zA-Z_:][\w:]*)[{ ]", text, re.MULTILINE))


@pytest.fixture(scope="module")
def fleet(shared: Launcher, model_folder: str) -> Fleet:
    return Fleet(shared, model_folder)


def asked(expression: str) -> str:
    """As Grafana asks, with all namespaces and components."""
    for variable in ("$namespace", "$component"):
        expression = expression.replace(variable, ".*")
    asked = expression.replace("$__rate_interval", "1m")
    assert "$" not in asked
    return asked


def test_prometheus_scrapes_the_workers(fleet: Fleet) -> None:
    [requests] = fleet.prometheus.query("sum(dynamo_component_requests_total)")
    assert requests["value"][1] == "8"
    [tokens] = fleet.prometheus.query(
        "sum(dynamo_component_worker_output_tokens_total) / sum(dynamo_component_requests_total)"
    )
    assert float(tokens["value"][1]) >= 3
    running = fleet.prometheus.query('engine_running{dynamo_component="backend"}')
    assert sorted(found["metric"]["dp_rank"] for found in running) == ["0", "0", "1", "1"]
    assert len({found["metric"]["worker_id"] for found in running}) == 2
    for worker in fleet.workers:
        assert lint(worker.get("/metrics").text) == ""


@pytest.mark.parametrize("expression", QUERIES)
def test_every_panel_shows_something(fleet: Fleet, expression: str) -> None:
    until(lambda: bool(fleet.prometheus.query(asked(expression))), "the panel has a value")


@pytest.mark.parametrize("expression", ALERTS)
def test_no_alert_fires_in_a_good_fleet(fleet: Fleet, expression: str) -> None:
    assert fleet.prometheus.query(expression) == []


def test_prometheus_evaluates_every_rule(fleet: Fleet) -> None:
    def states() -> list[str]:
        groups = fleet.prometheus.get("rules")["groups"]
        return [rule["health"] for group in groups for rule in group["rules"]]

    until(lambda: "unknown" not in states(), "every rule is evaluated")
    assert states() == ["ok"] * len(ALERTS)


@pytest.mark.parametrize("expression", [*QUERIES, *ALERTS])
def test_every_metric_is_the_workers_or_the_frontends(fleet: Fleet, expression: str) -> None:
    used = set(re.findall(r"\bdynamo_\w+", expression)) - LABELS
    assert used or "up{" in expression
    of_frontend = {name for name in used if name.startswith("dynamo_frontend_")}
    for worker in fleet.workers:
        assert used - of_frontend <= fleet.names(worker.get("/metrics").text)
    with urlopen(f"http://{LOOPBACK}:{fleet.api.port}/metrics") as answer:
        assert of_frontend <= fleet.names(answer.read().decode())


def test_the_dashboards_variables_have_values(fleet: Fleet) -> None:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            query = variable["query"]["query"]
            [(metric, label)] = re.findall(r"^label_values\((\w+), (\w+)\)$", query)
            assert fleet.prometheus.get(f"label/{label}/values", **{"match[]": metric})


def test_the_rules_do_what_they_say() -> None:
    for check in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        subprocess.run(["promtool", *check], cwd=FOLDER, check=True)


def test_every_alert_is_explained() -> None:
    explained = set(re.findall(r"^\| `(Dynamo\w+)` \|", README, re.MULTILINE))
    assert explained == {param.id for param in ALERTS}


def test_the_documented_scrape_configuration_is_valid(tmp_path: Path) -> None:
    [block] = re.findall(r"```yaml\n(scrape_configs:.*?)```", README, re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(block)
    subprocess.run(["promtool", "check", "config", "prometheus.yml"], cwd=tmp_path, check=True)
    jobs = {job["job_name"] for job in yaml.safe_load(block)["scrape_configs"]}
    assert jobs == {"dynamo-worker", "dynamo-frontend"}


def test_the_dashboard_is_laid_out() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in cells, f"{panel['title']} covers another"
                cells.add((x, y))
