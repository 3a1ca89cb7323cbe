"""The life of an engine: it starts, sleeps, wakes up and ends."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ...config import EngineConfig
from ...exceptions import DynamoError, EngineShutdown
from .binding.library import require_library
from .controls import Controls
from .files.model_source import ModelSource
from .loop import Loop, ended
from .steps.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from collections.abc import Sequence as List

    from ...engine import Progress
    from .options import Options


class Closable(Protocol):
    """What is in memory."""

    def close(self) -> None:
        """Frees it; may be called again, and from another thread meanwhile."""


LoadedT = TypeVar("LoadedT", bound=Closable)
LoopT = TypeVar("LoopT", bound=Loop)


class Lifecycle(ABC, Generic[LoadedT, LoopT]):
    """What engines have in common: models in memory, and a thread that serves requests with them.

    An engine says how it loads them, what the thread is, and what else has to have ended before
    they are freed.
    """

    def __init__(self, options: Options) -> None:
        """Finds the model; `start` fetches it, where it is of a hub, and loads it.

        Raises:
            InvalidArgument: There is no such file, or no path was given and the extra ``smollm2``
                is not installed.
            ImportError: The extra ``llama-cpp`` is not installed.
        """
        require_library()
        self._options = options
        self._source = ModelSource(options.model, options.model_path)
        self._counts = Counts()
        self._loading: asyncio.Future[LoadedT] | None = None
        self._loaded: LoadedT | None = None
        self._loop: LoopT | None = None
        self._serves = False
        # What the thread failed with that was there last.
        self._failure: BaseException | None = None
        self._controls = Controls(self)
        self._closing = threading.Event()
        self._changing = asyncio.Lock()
        # Set while the thread runs, or none will any more.
        self._settled = asyncio.Event()

    async def start(
        self,
        worker_id: int,  # noqa: ARG002
        progress: Progress | None = None,
        shutdown: asyncio.Event | None = None,
    ) -> EngineConfig:
        """Fetches and loads the model in a thread, and starts the one that serves requests.

        Raises:
            InvalidArgument: llama.cpp cannot load the file, or not with these options; or the hub
                has no such model.
            CannotConnect: The hub cannot be reached.
        """
        try:
            with _given_up_by(shutdown, self._closing):
                async with self._changing:
                    loaded = await self._run_up(progress)
        except DynamoError:
            if shutdown is None or not shutdown.is_set():
                raise
            return EngineConfig(model=self._source.name or "llama-cpp")
        return self._config(loaded)

    async def watch(self) -> None:
        """Waits for the end of the engine, and raises what its thread fails with."""
        self._started()
        while not self._closing.is_set():
            if self._loop is not None:
                await self._loop.watch()
            # It ended for a sleep, or the engine ends.
            await self._settled.wait()

    async def supported_controls(self) -> List[str]:
        """Those that an operator has, see `Controls`."""
        return self._controls.names

    async def validate_engine_control(self, name: str, body: Mapping[str, Any]) -> None:
        """Looks at a body for which the worker would leave discovery.

        Raises:
            InvalidArgument: The control would not accept it.
        """
        self._controls.validate(name, body)

    async def engine_control(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Performs a control.

        Raises:
            InvalidArgument: There is none of that name, or its body is not accepted.
        """
        return await self._controls(name, body)

    async def let_go(self) -> None:
        """Gives the memory of the models back to the system; there are no requests."""
        async with self._changing:
            await self._run_down()

    async def take_back(self) -> None:
        """Loads what `let_go` gave back.

        Raises:
            DynamoError: It cannot be loaded; the engine is as it was.
            EngineShutdown: It has ended, or ends meanwhile.
        """
        async with self._changing:
            if not self._serves and not self._closing.is_set():
                await self._run_down()
                try:
                    await self._run_up(None)
                except DynamoError:
                    if not self._closing.is_set():
                        raise
            self._started()

    async def cleanup(self) -> None:
        """Ends the thread and frees the models; may be called again, and after a failed start."""
        self._closing.set()
        async with self._changing:
            await self._run_down()
            self._settled.set()

    @abstractmethod
    def _load(self, proceed: Callable[..., bool]) -> LoadedT:
        """Fetches and loads the models, in a thread.

        Args:
            proceed: Called with what is done now, and with how much of it is, 0 to 1, where that is
                known; False gives up.
        """

    @abstractmethod
    def _begin(self, loaded: LoadedT) -> LoopT:
        """Starts the thread."""

    @abstractmethod
    def _config(self, loaded: LoadedT) -> EngineConfig:
        """What the worker is told of the engine."""

    @abstractmethod
    async def _join(self) -> None:
        """Waits for what else uses the models, once the thread has ended and no request begins."""

    async def _run_up(self, progress: Progress | None) -> LoadedT:
        proceed = partial(self._proceed, progress)
        self._loading = asyncio.ensure_future(asyncio.to_thread(self._load, proceed))
        # Who is cancelled here leaves the thread to `_run_down`.
        self._loaded = await asyncio.shield(self._loading)
        self._loop = self._begin(self._loaded)
        self._serves = True
        self._settled.set()
        return self._loaded

    async def _run_down(self) -> None:
        # From now on no request begins. Who is cancelled on the way finds all that is left.
        self._serves = False
        self._settled.clear()
        if self._loop is not None:
            await asyncio.to_thread(self._loop.stop)
            self._failure = self._loop.failure
        await self._join()
        if self._loading is not None:
            # Who waited for it may have been cancelled.
            await asyncio.wait([self._loading])
            if not self._loading.cancelled() and self._loading.exception() is None:
                self._loaded = self._loading.result()
        if self._loaded is not None:
            await asyncio.to_thread(self._loaded.close)
        self._loading = self._loop = self._loaded = None

    def _proceed(
        self, progress: Progress | None, message: str, fraction: float | None = None
    ) -> bool:
        """Called while a model is fetched and loaded; False makes that give up."""
        if progress is not None:
            progress(message, fraction)
        return not self._closing.is_set()

    def _started(self) -> tuple[LoadedT, LoopT]:
        """What is in memory, and the thread.

        Raises:
            EngineShutdown: The engine is not running.
        """
        if self._loaded is None or self._loop is None or not self._serves or self._closing.is_set():
            raise self._not_running()
        return self._loaded, self._loop

    def _not_running(self) -> EngineShutdown:
        """What is told to who wants something of an engine that does not run."""
        failure = self._failure if self._loop is None else self._loop.failure
        if failure is not None:
            return ended(failure)
        return EngineShutdown("the llama-cpp engine is not running")


@contextmanager
def _given_up_by(shutdown: asyncio.Event | None, closing: threading.Event) -> Iterator[None]:
    """Sets ``closing`` as soon as ``shutdown`` is, for the time of a block on the event loop."""

    async def wait(asked: asyncio.Event) -> None:
        await asked.wait()
        closing.set()

    waiting = None if shutdown is None else asyncio.ensure_future(wait(shutdown))
    try:
        yield
    finally:
        if waiting is not None:
            waiting.cancel()
