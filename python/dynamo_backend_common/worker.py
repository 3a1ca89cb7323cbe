"""`Worker`: one engine, served once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ._core import WorkerCore, prepare
from ._log.logging import choose_log
from ._serving.block import Block
from ._serving.bridge import Bridge
from ._serving.inbox_reader import InboxReader
from ._serving.local_url import local_url
from ._serving.own_loop import run_on_own_loop
from ._serving.stream import logger
from ._serving.taking import as_rust_engine
from ._serving.to_the_end import to_the_end
from ._signals import ctrl_c_is_ours, kept_handlers
from .config import WorkerConfig
from .exceptions import InvalidArgument
from .report import Report, read_report
from .state import WorkerState

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from ._core import RustEngine
    from ._serving.own_loop import LoopFactory
    from .engine import Engine, ForeignEngine

__all__ = ["Worker"]


class Worker:
    """Serves an engine as a worker of NVIDIA Dynamo. It is used once.

    In a program of its own, `run` it. Inside an event loop, await `serve`, or serve a block::

        async with Worker(MyEngine(), config, http_port=0) as worker:
            print(worker.http_url)

    The block begins when the worker serves, and leaving it shuts the worker down. If the run ends
    before the block, by a signal or because the engine failed, the block is cancelled.

    Starts the engine, registers it in discovery, serves it, and hands over on SIGTERM, Ctrl-C or
    `shutdown` without cutting a stream, within a deadline. While it runs, it handles these two
    signals; afterwards the handlers that were there before are back. Meanwhile SIGINT is blocked in
    the thread that it runs on, and so in the processes and threads that the engine starts from
    there: a terminal's Ctrl-C would end them too, while requests still need them.

    Args:
        engine: A Python engine (any object with the methods of `Engine`), a `ForeignEngine`, which
            was compiled elsewhere, or a `RustEngine`.
        config: How the engine is presented; an engine's own ``configure`` may fill in what is left
            at its default.
        http_port: Port of an OpenAI frontend in the same process; 0: any free one, which is in
            `http_url`; None: no frontend. With it, discovery is ``mem`` unless one was
            chosen.
        http_host: Address of that frontend.
        on_state: Called on the event loop's thread with each state that is entered.
        on_progress: Called with what the engine's ``start`` reports, on the thread that reports.

    Raises:
        InvalidArgument: A value of ``config`` is not accepted, or ``engine`` lacks a method or has
            one with nearly the name of a hook, or what it hands over cannot be taken. The message
            begins with the field's name.
    """

    def __init__(
        self,
        engine: Engine | ForeignEngine | RustEngine,
        config: WorkerConfig | None = None,
        *,
        http_port: int | None = None,
        http_host: str = "127.0.0.1",
        on_state: Callable[[WorkerState], None] | None = None,
        on_progress: Callable[[str, float | None], None] | None = None,
    ) -> None:
        if http_port is not None and not (isinstance(http_port, int) and 0 <= http_port < 65536):
            raise InvalidArgument(
                f"http_port: {http_port!r} is no port; accepted: 0 (any free one) to 65535"
            )
        self._on_state = on_state
        self._block: Block | None = None
        self._report: Report | None = None
        driven: Any = engine
        self._bridge: Bridge | None = None
        in_rust = as_rust_engine(engine)
        if in_rust is not None:
            driven = in_rust
            name = in_rust.name
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
        )
        if self._bridge is not None:
            self._bridge.configured(config.runtime)

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

    async def __aenter__(self) -> Self:
        """Returns when the worker serves.

        Raises:
            DynamoError: The run failed before that, as `run` would; where the engine raised, its
                exception is the ``__cause__``.
            EngineShutdown: The worker was shut down before that.
        """
        if self._block is not None:
            raise RuntimeError("a Worker is used once: make a new one for another block")
        self._block = Block(self.serve(), self.shutdown)
        await self._block.enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Shuts the worker down and waits for that; `report` has what happened.

        Raises:
            DynamoError: The run failed; what the block raised is its ``__context__``.
        """
        assert self._block is not None
        return await self._block.leave(kind)

    async def _serve_prepared(self) -> Report:
        prepare([self._core], None)
        return await self._serve()

    async def _serve(self) -> Report:
        """Runs to the end; the process keeps its signals and its deadline until `release`."""
        loop = asyncio.get_running_loop()
        with ctrl_c_is_ours(), kept_handlers(loop):
            inbox, done = self._core.serve(loop, self._entered)
            reader = InboxReader(loop, inbox, self._loop_closed)
            # From here on the loop alone holds it.
            del inbox
            try:
                self._report = read_report(await to_the_end(done, self._core.shutdown))
                return self._report
            finally:
                if not done.done():
                    # Closed as a generator is: nobody waits for the run any more.
                    self._loop_closed()
                reader.stop()

    def _loop_closed(self) -> None:
        """Ends the run without the engine's last hooks: with no loop, no call can be answered."""
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

    def _entered(self, name: str) -> None:
        state = WorkerState(name)
        if state is WorkerState.Serving and self._block is not None:
            self._block.serves()
        if self._on_state is not None:
            self._on_state(state)

    @property
    def state(self) -> WorkerState:
        """Where the worker is in its life."""
        return WorkerState(self._core.state)

    @property
    def http_url(self) -> str | None:
        """Address of the frontend in the process for a client on this machine.

        Such as ``http://127.0.0.1:8000``, without ``/v1``. None until the frontend listens, and if
        there is none.
        """
        address = self._core.http_address
        return None if address is None else local_url(*address)

    @property
    def report(self) -> Report | None:
        """What happened in the run; None until it has ended well."""
        return self._report

    @property
    def served_model_name(self) -> str | None:
        """The public name of the model; None until the engine has started."""
        return self._core.served_model_name

    def shutdown(self) -> None:
        """Asks for shutdown, before or during the run, from any thread. May be repeated."""
        self._core.shutdown()
