"""Fixtures of the behaviour tests: everything runs in processes of its own, and is always ended."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Under --import-mode=importlib a test could not import what it shares with others otherwise.
sys.path.insert(0, str(Path(__file__).parent))

from support.launcher import Launcher
from support.processes import Process
from support.skips import NoSkips

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_STARTED_BEFORE = pytest.StashKey[int]()

# A shell has its background jobs ignore Ctrl-C, and what they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(NoSkips())


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    """Starts processes for one test."""
    with Launcher(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """Starts processes for the tests of one module."""
    with Launcher(tmp_path_factory.mktemp("shared")) as started:
        yield started


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of SmolLM2's tokenizer, template and configuration, which a card needs."""
    # Here, so that collecting the tests does not need the extra.
    from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
    from dynamo_backend_common.engines.llama_cpp.files.model_folder import model_folder

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return str(model_folder(ModelFile()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds to a failure what the processes wrote that ran during the test."""
    report = yield
    if report.failed:
        for process in Process.started:
            if process.alive or process in _ended_during(item):
                report.sections.append(("process", process.describe()))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_STARTED_BEFORE] = len(Process.started)


def _ended_during(item: pytest.Item) -> list[Process]:
    return Process.started[item.stash.get(_STARTED_BEFORE, 0) :]
