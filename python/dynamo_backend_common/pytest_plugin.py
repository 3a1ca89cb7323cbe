"""The pytest plugin: ``pytest --dynamo-engine my_engine:MyEngine`` makes each check a test."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pytest

from .cli.check import count, seconds
from .cli.failure import Failure
from .cli.resolve import EngineMaker
from .exceptions import InvalidArgument
from .testing.check import EngineCheckFailed, Result
from .testing.checking import REQUESTS, TIMEOUT, checks_of, run_checks


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("dynamo", "checks of an engine of dynamo_backend_common")
    group.addoption(
        "--dynamo-engine",
        metavar="ENGINE",
        help="make a test of each check of the contract between this engine and a worker:"
        " module:attribute of a class, or of a function that makes the engine, or the name of one"
        " that is installed",
    )
    group.addoption(
        "--dynamo-requests",
        type=count,
        default=REQUESTS,
        metavar="N",
        help="how many requests the search for leaks makes (default: %(default)s)",
    )
    group.addoption(
        "--dynamo-timeout",
        type=seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help="time limit for each request, each hook, and any other wait (default: %(default)s)",
    )


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Adds a test for each check."""
    name = config.getoption("dynamo_engine")
    if name is None:
        return
    try:
        make = EngineMaker(name, [])
    except Failure as failure:
        raise pytest.UsageError(f"--dynamo-engine: {failure}") from failure
    items += EngineChecks.from_parent(session, name=name, nodeid=name, make=make).collect()


class EngineChecks(pytest.Collector):
    """The checks of one engine; the first one that runs has all of them made."""

    def __init__(self, *, make: EngineMaker, **more: Any) -> None:
        super().__init__(**more)
        self._make = make

    def collect(self) -> list[EngineCheck]:
        """A test for each check."""
        names = checks_of(self._make.first)
        return [EngineCheck.from_parent(self, name=name, checks=self) for name in names]

    @cached_property
    def results(self) -> dict[str, Result]:
        """What each check found, by its name."""
        option = self.config.option
        _, results = run_checks(
            self._make, requests=option.dynamo_requests, timeout=option.dynamo_timeout
        )
        return {result.name: result for result in results}


class EngineCheck(pytest.Item):
    """One check."""

    def __init__(self, *, checks: EngineChecks, **more: Any) -> None:
        super().__init__(**more)
        self._checks = checks

    def runtest(self) -> None:
        """Fails, or is skipped, as the check did."""
        result = self._checks.results[self.name]
        if result.outcome == "skipped":
            pytest.skip(result.found)
        if result.outcome == "failed":
            raise EngineCheckFailed(self._checks.name, [result])

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What was found, without a traceback of ours."""
        if isinstance(excinfo.value, (EngineCheckFailed, InvalidArgument)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, None, str]:
        """How reports call it."""
        return self.path, None, f"{self._checks.name}: {self.name}"
