"""A Prometheus server, as Debian packages it: on a loopback port, its data in the test's folder."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

from .ports import LOOPBACK
from .processes import until
from .servers import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .launcher import Launcher


class Prometheus(Server):
    """Scrapes ports of this machine every second: ``jobs`` are their lists, by name."""

    def __init__(
        self, launcher: Launcher, jobs: Mapping[str, Sequence[int]], rules: Path | None = None
    ) -> None:
        self._port = launcher.ports.reserve()
        self._targets = sum(len(ports) for ports in jobs.values())
        folder = launcher.folder / "prometheus"
        folder.mkdir()
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)] if rules is not None else [],
            "scrape_configs": [
                {
                    "job_name": job,
                    "static_configs": [{"targets": [f"{LOOPBACK}:{port}" for port in ports]}],
                }
                for job, ports in jobs.items()
            ],
        }
        # JSON is YAML.
        (folder / "prometheus.yml").write_text(json.dumps(config))
        super().__init__(
            launcher,
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{self._port}",
            "--log.level=warn",
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an expression gives now; one that Prometheus refuses fails with its words."""
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result

    def scraped(self) -> None:
        """Waits until every target was scraped well, twice."""

        def all_of_them() -> bool:
            targets = self.get("targets")["activeTargets"]
            # A target counts what it scrapes only behind its first scrape.
            counted = self.query("count_over_time(up[1h]) > 1")
            return len(targets) == len(counted) == self._targets and all(
                target["health"] == "up" for target in targets
            )

        until(all_of_them, "Prometheus scrapes every target")

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        url = f"http://{LOOPBACK}:{self._port}/api/v1/{path}?{urlencode(parameters)}"
        try:
            with urlopen(url) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from None

    def _answers(self) -> bool:
        with suppress(OSError, AssertionError):
            self.query("vector(1)")
            return True
        return False
