"""Workers with vLLM: one for each way by which tokens come, for all tests that do not end it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.api import wait_for_routes
from support.frontend import start_frontend
from support.launcher import Launcher
from support.processes import until
from support.vllm_worker import LOADING, MODEL, NAME, PATHS, PROMPTS, Served, VllmWorker

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.get_closest_marker("timeout") is None:
        item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session", params=PATHS)
def path(request: pytest.FixtureRequest) -> str:
    """The way by which tokens come; all tests of one way run before those of the next."""
    return str(request.param)


@pytest.fixture(scope="session")
def served(path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One worker for each way."""
    with Launcher(tmp_path_factory.mktemp(path)) as launcher:
        worker = VllmWorker(launcher, engine="census_vllm:Census", path=path)
        worker.wait()
        api = start_frontend(launcher, "--router-mode", "kv")
        wait_for_routes(api, NAME, PROMPTS[0])
        yield Served(launcher, worker, api)


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What vLLM's own ``LLM.generate`` says to `PROMPTS`: ``alone``, and as a ``batch``."""
    with Launcher(tmp_path_factory.mktemp("offline")) as launcher:
        script = str(Path(__file__).with_name("offline.py"))
        given = json.dumps({"model": str(MODEL), "prompts": PROMPTS})
        process = launcher.start(sys.executable, "-P", script, given, cwd=launcher.folder)
        until(lambda: not process.alive, "vLLM generated", LOADING)
        assert process.wait() == 0, process.describe()
        # vLLM writes there too.
        [line] = [line for line in process.stdout.splitlines() if line.startswith('{"alone"')]
        said: dict[str, list[dict[str, Any]]] = json.loads(line)
        return said
