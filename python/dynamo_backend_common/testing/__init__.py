"""Tests for engines, without a worker and without a network.

    from dynamo_backend_common.testing import check_engine, collect, request

    def test_my_engine_keeps_the_contract():
        check_engine(MyEngine)

    async def test_it_answers():
        chunks = await collect(engine, request([1, 2, 3]))

- `request` makes a whole request, `context` the context of one, with ``stop()`` and ``kill()``.
- `collect` serves one request as a worker does, and returns its chunks.
- `Steps` is the worker's own: in `collect` a step loop pushes to it as it does in a worker.
- `check_engine` holds an engine to the contract; `Result` is what a check found.

``pytest --dynamo-engine my_engine:MyEngine`` makes each check a test, and
``dynamo-backend check my_engine:MyEngine`` prints them.
"""

from .._core import Steps
from .check import EngineCheckFailed, Outcome, Result
from .checking import CHECKS, check_engine
from .collecting import collect
from .event_loop import context
from .in_rust import RUST_CHECKS
from .requests import request

__all__ = [
    "CHECKS",
    "RUST_CHECKS",
    "EngineCheckFailed",
    "Outcome",
    "Result",
    "Steps",
    "check_engine",
    "collect",
    "context",
    "request",
]
