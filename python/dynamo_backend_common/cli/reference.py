"""``--reference``: engines that are written for ``dynamo.common.backend`` of ai-dynamo."""

from __future__ import annotations

import asyncio
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._core import flush_log
from .._log.logging import choose_log
from .._serving.own_loop import run_on_own_loop
from ..exceptions import DynamoError, InvalidArgument
from ..reference.main import run_main
from ..reference.making import make
from ..reference.package import require
from ..reference.worker_config import FIELDS
from .failure import Failure, UsageError
from .resolve import attribute, import_from_here, users_failure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from .._core import WorkerCore
    from .._serving.own_loop import LoopFactory
    from ..report import Report
    from ..worker import Worker
    from .options import Setting

    WorkerOf = Callable[[Any], Worker]


# They would run as ever, with a worker of their own.
_WITHOUT_WORKER = ("dynamo.vllm", "dynamo.sglang", "dynamo.trtllm", "dynamo.mocker")


def add_reference_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--reference``, and ``-m``, which goes with it."""
    group = parser.add_argument_group(
        "engines of ai-dynamo",
        "An engine that is written for dynamo.common.backend of ai-dynamo, which has to be"
        " installed, is served as it is. What its own WorkerConfig has is set by its own"
        " arguments, after '--', and not by options of this command.",
    )
    group.add_argument(
        "--reference",
        action="store_true",
        help="ENGINE, as module:class, is written for dynamo.common.backend",
    )
    group.add_argument(
        "-m",
        dest="program",
        metavar="MODULE",
        help="with --reference, in the place of ENGINE: a program that calls run() or makes a"
        " Worker of dynamo.common.backend by itself, such as dynamo.tokenspeed",
    )


def settle(options: argparse.Namespace, settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """The settings, where those that the engine's own configuration decides are named by that.

    Raises:
        UsageError: An option does not go with ``--reference``, or without; it is named.
    """
    settled = dict(settings)
    if not options.reference:
        if options.program is not None:
            raise UsageError("-m: it goes with --reference")
        return settled
    if options.program is not None and options.engine is not None:
        raise UsageError(f"-m: give that, or the engine '{options.engine}', not both")
    if options.program is not None and not options.is_worker:
        raise UsageError(
            "--check: what a program serves is known when it runs; give module:class in the place"
            " of -m"
        )
    for name in sorted(FIELDS):
        setting = settings[name]
        if setting.kind in ("option", "file"):
            raise UsageError(
                f"{setting.place}: with --reference the engine's own arguments say that; give them"
                " after '--'"
            )
        settled[name] = replace(setting, place=f"the engine's WorkerConfig: {name}")
    return settled


def reference_engine(name: str, argv: Sequence[str]) -> Any:
    """Makes an engine of the class ``name``.

    Raises:
        UsageError: There is no such class, or it is none of ai-dynamo's kind.
        Failure: The user's own code failed; its traceback has been shown.
    """
    target = _target(name)

    # In a thread, as the caller may be on an event loop.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _make(name, target, argv)).result()


def serve_reference(
    options: argparse.Namespace,
    argv: Sequence[str],
    worker_of: WorkerOf,
    loop_factory: LoopFactory | None,
) -> list[Report]:
    """Serves the engine, or runs the program; the reports of its workers.

    Raises:
        UsageError: There is no such engine or program, or it is none of ai-dynamo's kind.
        Failure: The user's own code failed; its traceback has been shown.
        DynamoError: As of `Worker.run`.
        SystemExit: As the engine's own parser of arguments, or the program, wants it.
    """
    if options.program is not None:
        return _run_program(options.program, argv, worker_of)
    return [_serve(options.engine, argv, worker_of, loop_factory)]


def _serve(
    name: str, argv: Sequence[str], worker_of: WorkerOf, loop_factory: LoopFactory | None
) -> Report:
    target = _target(name)
    cores: list[WorkerCore] = []

    async def serving() -> Report | SystemExit:
        # On the loop that serves it: `from_args` may make what belongs to its loop.
        try:
            engine = await _make(name, target, argv)
        except SystemExit as exit_:
            # Out of a task it would be logged as one that nobody retrieved.
            return exit_
        worker = worker_of(engine)
        cores.append(worker._core)  # noqa: SLF001
        return await worker._serve_prepared()  # noqa: SLF001

    served = run_on_own_loop(cores, serving(), loop_factory=loop_factory, to_exit=True)
    if isinstance(served, SystemExit):
        raise served
    return served


def _target(name: str) -> Any:
    _require()
    if ":" not in name:
        raise UsageError(
            f"engine '{name}': with --reference write module:class, such as"
            " dynamo.common.backend.sample_engine:SampleLLMEngine"
        )
    return attribute(name)


async def _make(name: str, target: Any, argv: Sequence[str]) -> Any:
    try:
        return await make(name, target, argv)
    except InvalidArgument as error:
        if error.__cause__ is not None:
            # The engine's own, of ai-dynamo.
            raise users_failure(f"engine '{name}' cannot be made", error.__cause__) from error
        raise UsageError(f"engine '{name}': {error}") from error
    except DynamoError as error:
        raise users_failure(f"engine '{name}' cannot be made", error.__cause__ or error) from error
    except Exception as error:
        raise users_failure(f"engine '{name}' cannot be made", error) from error


def _run_program(module: str, argv: Sequence[str], worker_of: WorkerOf) -> list[Report]:
    _require()
    _check_program(module)
    # The process is the worker's alone: what `serve` chooses is for a program of its own.
    choose_log(embedded=False)
    reports: list[Report] = []
    begun: list[Worker] = []

    async def serve(engine: Any) -> None:
        worker = worker_of(engine)
        begun.append(worker)
        reports.append(await worker.serve())

    try:
        run_main(module, argv, serve)
    except SystemExit as exit_:
        if not begun or exit_.code not in (None, 0):
            raise
    except (DynamoError, Failure):
        raise
    except Exception as error:
        raise users_failure(f"program '{module}' failed", error) from error
    finally:
        flush_log()
    if not begun:
        raise Failure(
            f"program '{module}' ended, and made no Worker of dynamo.common.backend: --reference"
            " is for those that do"
        )
    return reports


def _check_program(module: str) -> None:
    if module in _WITHOUT_WORKER:
        hint = "; vLLM is served by the engine 'vllm'" if module == "dynamo.vllm" else ""
        raise UsageError(
            f"-m: {module} drives the runtime by itself, and makes no Worker of"
            f" dynamo.common.backend{hint}"
        )
    import_from_here()
    try:
        found = importlib.util.find_spec(module)
        if found is not None and found.submodule_search_locations is not None:
            module = f"{module}.__main__"
            found = importlib.util.find_spec(module)
    except ModuleNotFoundError as error:
        raise UsageError(f"-m: no module named '{error.name}'") from None
    except Exception as error:
        raise users_failure(f"module '{module}' cannot be imported", error) from error
    if found is None:
        raise UsageError(f"-m: no module named '{module}'")


def _require() -> None:
    try:
        require()
    except InvalidArgument as error:
        raise UsageError(str(error)) from error.__cause__
