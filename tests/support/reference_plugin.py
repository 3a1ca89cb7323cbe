"""A plugin for pytest that has ai-dynamo's own tests see this package in the place of its worker.

Its `Worker` is the one that a program gets from ``serve --reference -m``, and what the tests ask of
the sample engine goes through the code by which a worker asks an engine: the context, the request
and every chunk are those of a worker.
"""

from __future__ import annotations

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

PREFIX = "ran through the worker: "
"""Begins the line that tells how many requests did."""


class Inner(SampleLLMEngine):
    """Calls its own ``generate``, whatever the class it is derived from has."""

    generate = SampleLLMEngine.generate


class ThroughTheWorker:
    """The plugin."""

    def __init__(self) -> None:
        self.requests = 0

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
        self.requests += 1
        try:
            async for chunk in driven.chunks({part: {} for part in PARTS} | request, asked):
                yield chunk
        finally:
            driven.close()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Iterator[None]:
        async def serve(engine: Any) -> None:
            raise AssertionError(f"no test runs a worker, and {engine} was to be served")

        plugin = self

        async def generate(
            self: SampleLLMEngine, request: dict[str, Any], context: Any
        ) -> AsyncIterator[dict[str, Any]]:
            # Packed tokens are of their request plane; a worker of ours has none.
            own = isinstance(request["token_ids"], bytes)
            asked = Inner.generate(self, request, context) if own else None
            async for chunk in asked or plugin.generate(self, request, context):
                yield chunk

        with standing_in(serve), pytest.MonkeyPatch.context() as patch:
            patch.setattr(SampleLLMEngine, "generate", generate)
            return (yield)

    def pytest_terminal_summary(self) -> None:
        print(f"{PREFIX}{self.requests}")


if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:], plugins=[ThroughTheWorker()]))
