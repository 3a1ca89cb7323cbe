"""`Worker`: one engine, served once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._core import RustEngine, WorkerCore, prepare
from ._log.logging import choose_log
from ._serving.bridge import Bridge
from ._serving.inbox_reader import InboxReader
from ._serving.own_loop import run_on_own_loop
from ._serving.stream import logger
from ._signals import ctrl_c_is_ours, kept_handlers
from .config import WorkerConfig
from .exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._serving.own_loop import LoopFactory
    from .engine import Engine

__all__ = ["Report", "Worker"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What happened in a run.

    Attributes:
        reason: ``signal`` or ``shutdown``, by which shutdown was asked for; ``ended`` where serving
            ended by itself.
        finished: Requests that finished while the worker waited for them in shutdown.
        cut: Requests that were cut at the end of that wait; 0: none was.
        failures: (stage, message) of what failed in shutdown without failing the run.
        stages: Seconds that each stage of the shutdown took, by its name.
    """

    reason: str
    finished: int
    cut: int
    failures: tuple[tuple[str, str], ...]
    stages: Mapping[str, float]


class Worker:
    """Serves an engine as a worker of NVIDIA Dynamo. It is used once.

    Starts the engine, registers it in discovery, serves it, and hands over on SIGTERM, Ctrl-C or
    `shutdown` without cutting a stream, within a deadline. While it runs the two signals are its
    own; what was there before is put back. SIGINT is blocked meanwhile in the thread that it runs
    on, and so in the processes and threads that the engine starts from there: a terminal's Ctrl-C
    would end them too, while requests still need them.

    Args:
        engine: A Python engine (any object with the methods of `Engine`) or a Rust engine.
        config: How the engine is presented; an engine's own ``configure`` may fill in what is left
            at its default.
        http_port: Port of an OpenAI frontend in the same process; None: no frontend. With it,
            discovery is ``mem`` unless one was chosen.
        http_host: Address of that frontend.
        on_state: Called on the event loop's thread with ``Connecting``, ``Starting``,
            ``Registering``, ``Serving``, ``Draining`` and ``Stopped``.
        on_progress: Called with what the engine's ``start`` reports, on the thread that reports.

    Raises:
        InvalidArgument: A value of ``config`` is not accepted, or ``engine`` lacks a method or has
            one with nearly the name of a hook. The message begins with the field's name.
    """

    def __init__(
        self,
        engine: Engine | RustEngine,
        config: WorkerConfig | None = None,
        *,
        http_port: int | None = None,
        http_host: str = "127.0.0.1",
        on_state: Callable[[str], None] | None = None,
        on_progress: Callable[[str, float | None], None] | None = None,
    ) -> None:
        if http_port is not None and not (isinstance(http_port, int) and 0 < http_port < 65536):
            raise InvalidArgument(f"http_port: {http_port!r} is no port; accepted: 1 to 65535")
        driven: Any = engine
        self._bridge: Bridge | None = None
        if isinstance(engine, RustEngine):
            name = engine.name
        else:
            driven = self._bridge = Bridge(engine, on_progress)
            name = driven.name
        self._name = name
        self._is_abandoned = False
        config = WorkerConfig() if config is None else config
        configure = getattr(engine, "configure", None)
        if configure is not None:
            config = configure(config)
            if not isinstance(config, WorkerConfig):
                raise InvalidArgument(
                    f"{name}.configure returned {type(config).__name__};"
                    " it must return the WorkerConfig to use"
                )
        self._config = config
        self._core = WorkerCore(
            driven,
            name,
            config,
            http=None if http_port is None else (http_host, http_port),
            on_state=on_state,
        )

    def run(self, *, loop_factory: LoopFactory | None = None) -> Report:
        """Runs the worker to its end, on an event loop of its own; blocks the calling thread.

        The log of the worker's Rust side goes to `logging` where the program has configured that
        (``logging.basicConfig``), and otherwise to standard error, as Dynamo's own (``DYN_LOG``,
        ``DYN_LOGGING_JSONL``). The first run of a process decides for all.

        Args:
            loop_factory: Makes the event loop, such as ``uvloop.new_event_loop``; None: asyncio's
                own. Inside a loop of another kind, await `serve`.

        Returns:
            The report of a shutdown that was asked for, also where parts of it failed.

        Raises:
            DynamoError: A step failed; the message begins with its name. Where the engine raised,
                its exception is the ``__cause__``.
        """
        return run_on_own_loop([self._core], self._serve_prepared(), loop_factory=loop_factory)

    def _run_to_exit(self, loop_factory: LoopFactory | None) -> Report:
        """Like `run`, in a process that ends next: that is within the deadline too."""
        return run_on_own_loop(
            [self._core], self._serve_prepared(), loop_factory=loop_factory, to_exit=True
        )

    async def serve(self) -> Report:
        """Runs the worker to its end, inside the event loop that runs; otherwise like `run`.

        The log of the worker's Rust side goes to `logging`, below the logger
        ``dynamo_backend_common.rust``; ``DYN_LOG`` says how much of it there is.

        Cancelling it asks for shutdown, waits for that, and then raises ``CancelledError``.
        """
        choose_log(embedded=True)
        try:
            return await self._serve_prepared()
        finally:
            self._core.release()

    async def _serve_prepared(self) -> Report:
        prepare([self._core], None)
        return await self._serve()

    async def _serve(self) -> Report:
        """Runs to the end; the process keeps its signals and its deadline until `release`."""
        loop = asyncio.get_running_loop()
        with ctrl_c_is_ours(), kept_handlers(loop):
            inbox, done = self._core.serve(loop)
            reader = InboxReader(loop, inbox, self._loop_closed)
            # From here on the loop alone holds it.
            del inbox
            try:
                return Report(**await _to_the_end(done, self._core.shutdown))
            finally:
                if not done.done():
                    # Closed as a generator is: nobody waits for the run any more.
                    self._loop_closed()
                reader.stop()

    def _loop_closed(self) -> None:
        """Ends the run, which nobody can answer a request of: without the engine's last hooks."""
        if self._is_abandoned:
            return
        self._is_abandoned = True
        logger.error(
            "%s: the event loop was closed, or serve() was, while the worker served; it leaves"
            " discovery and ends without drain and cleanup, which need the loop; await serve() to"
            " its end",
            self._name,
        )
        self._core.shutdown()
        try:
            if self._bridge is not None:
                self._bridge.loop_closed()
        finally:
            # Nobody else will: the deadline is of the run alone now, and not of the process.
            self._core.release()

    @property
    def config(self) -> WorkerConfig:
        """How the engine is presented, with what the engine's own ``configure`` filled in."""
        return self._config

    @property
    def state(self) -> str:
        """``Init``, ``Running``, ``StartFailed`` or ``Stopped``."""
        return self._core.state

    @property
    def served_model_name(self) -> str | None:
        """The public name of the model; None until the engine has started."""
        return self._core.served_model_name

    def shutdown(self) -> None:
        """Asks for shutdown, before or during the run, from any thread. May be repeated."""
        self._core.shutdown()


async def _to_the_end(
    done: asyncio.Future[dict[str, Any]], shutdown: Callable[[], None]
) -> dict[str, Any]:
    cancelled: asyncio.CancelledError | None = None
    while not done.done():
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError as error:
            cancelled = error
            shutdown()
    if cancelled is not None:
        raise cancelled from done.exception()
    return done.result()
