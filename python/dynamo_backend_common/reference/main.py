"""A program of theirs, run as ``python -m`` would, whose worker is this package's."""

from __future__ import annotations

import importlib
import runpy
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .engine import wrap

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from .lifecycle import ReferenceLifecycle

    Serve = Callable[[ReferenceLifecycle], Awaitable[object]]

# Where a program has the class from; each is called with an engine and its configuration.
_PLACES = ("dynamo.common.backend", "dynamo.common.backend.worker", "dynamo.common.backend.run")


def run_main(module: str, argv: Sequence[str], serve: Serve) -> None:
    """Runs ``module`` with the arguments ``argv``; ``serve`` is awaited for each of its workers.

    What the program raises is raised, `SystemExit` among it.
    """
    arguments = sys.argv
    with standing_in(serve):
        sys.argv = [module, *argv]
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        finally:
            sys.argv = arguments


@contextmanager
def standing_in(serve: Serve) -> Iterator[None]:
    """Has their class ``Worker`` await ``serve`` with its engine, wherever it is taken from."""
    worker = _worker_class(serve)
    before = {}
    for place in _PLACES:
        module: Any = importlib.import_module(place)
        before[module] = module.Worker
        module.Worker = worker
    try:
        yield
    finally:
        for module, own in before.items():
            module.Worker = own


def _worker_class(serve: Serve) -> type:
    class Worker:
        """Takes the place of ``dynamo.common.backend.Worker``."""

        def __init__(self, engine: Any, config: Any) -> None:
            self.engine = engine
            self.config = config

        async def run(self) -> None:
            """Serves the engine to the worker's end."""
            await serve(wrap(self.engine, self.config))

    return Worker
