"""Runs ai-dynamo's own tests in a process where this package takes the place of its worker.

Its `Worker` is the one that a program gets from ``serve --reference -m``. What the tests that are
named on standard input ask of the sample engine goes through the code by which a worker asks an
engine: the context, the request and every chunk are a worker's own.

Arguments are pytest's. Tells the outcome of each test on a line of its own, as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from dynamo.common.backend import WorkerConfig
from dynamo.common.backend.sample_engine import SampleLLMEngine

from dynamo_backend_common.reference.engine import wrap
from dynamo_backend_common.reference.main import standing_in
from dynamo_backend_common.testing.driven import Driven
from dynamo_backend_common.testing.event_loop import context
from dynamo_backend_common.testing.requests import PARTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

TOLD = "test: "
"""Begins a line that tells of a test."""


class Inner(SampleLLMEngine):
    """Calls its own ``generate``, whatever the class it is derived from has."""

    generate = SampleLLMEngine.generate


class InOurPlace:
    """The plugin."""

    def __init__(self, through: list[str]) -> None:
        self._through = frozenset(through)
        self._is_through = False
        self._requests = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Iterator[None]:
        plugin = self

        async def generate(
            self: SampleLLMEngine, request: dict[str, Any], context: Any
        ) -> AsyncIterator[dict[str, Any]]:
            ask = plugin.generate if plugin._is_through else Inner.generate
            async for chunk in ask(self, request, context):
                yield chunk

        with standing_in(_refuse), pytest.MonkeyPatch.context() as patch:
            patch.setattr(SampleLLMEngine, "generate", generate)
            return (yield)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._is_through = name_of(item) in self._through
        self._requests = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        report = yield
        if report.when == "call" or report.outcome != "passed":
            told = {"name": name_of(item), "outcome": report.outcome, "requests": self._requests}
            print(f"\n{TOLD}{json.dumps(told)}")
        return report

    async def generate(
        self, engine: SampleLLMEngine, request: dict[str, Any], their_context: Any
    ) -> AsyncIterator[dict[str, Any]]:
        inner = object.__new__(Inner)
        # What one changes of itself, the other has.
        inner.__dict__ = engine.__dict__
        asked = context()
        if their_context.is_stopped():
            asked.stop()
        driven = Driven(wrap(inner, WorkerConfig(namespace="test")))
        self._requests += 1
        try:
            async for chunk in driven.chunks({part: {} for part in PARTS} | request, asked):
                yield chunk
        finally:
            driven.close()


def name_of(item: pytest.Item) -> str:
    """As the table has it: without the parameters."""
    return f"{item.path.name}::{item.name.partition('[')[0]}"


async def _refuse(engine: Any) -> None:
    raise AssertionError(f"no test runs a worker, and {engine} was to be served")


if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:], plugins=[InOurPlace(json.load(sys.stdin))]))
