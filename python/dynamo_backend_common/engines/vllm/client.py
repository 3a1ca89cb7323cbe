"""vLLM's `AsyncLLM` in this process: its start, its death and its end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import signal
import threading
import time
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..._core import cleanup_seconds
from ...exceptions import DynamoError, EngineShutdown, Unknown
from .configuration import vllm_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...config import WorkerConfig

logger = logging.getLogger(__name__)

_SOCKETS = "VLLM_RPC_BASE_PATH"
# What vLLM reads of its environment, and its profile of the memory, are of the whole process.
_one_at_a_time = threading.Lock()

T = TypeVar("T")

_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 0.5
# Of what a shutdown keeps for cleanup: the rest is for those that had to be killed.
_SHARE_OF_SHUTDOWN = 0.7


class Progress(Protocol):
    """What ``start`` reports to."""

    def __call__(self, message: str, fraction: float | None = None) -> None:
        """Tells what is done, and which part of the whole it is."""


class Client:
    """One ``AsyncLLM``, and the processes that it starts."""

    def __init__(self, engine_args: Any, config: WorkerConfig, stat_loggers: list[Any]) -> None:
        """Prepares; `start` starts it.

        Args:
            engine_args: vLLM's ``AsyncEngineArgs``.
            config: The worker's: its part in disaggregated serving, and its time for the end.
            stat_loggers: What vLLM has to tell its statistics to, beside its own loggers.
        """
        # What it needs comes with vLLM.
        from .processes import Processes

        self._engine_args = engine_args
        self._mode = config.disaggregation_mode
        self._cleanup_seconds = cleanup_seconds(config.runtime)
        self._stat_loggers = stat_loggers
        self._loading: asyncio.Future[Any] | None = None
        self._thread: int | None = None
        self._processes = Processes()
        self._sockets: TemporaryDirectory[str] | None = None
        self._watched: list[int] = []
        # What has not begun when it is closed never does.
        self._has_begun = self._closing = False

    async def start(self, progress: Progress | None, shutdown: asyncio.Event) -> Any:
        """Starts vLLM in a thread: where no event loop runs it reads no output by itself.

        Args:
            progress: Is told what is done.
            shutdown: Set where vLLM is not wanted any more; `stop` ends what has begun.

        Returns:
            vLLM's ``AsyncLLM``; None after a shutdown.

        Raises:
            InvalidArgument: vLLM does not accept its arguments, or this engine cannot serve it so.
            Unknown: Its processes did not start; their log says why.
        """
        self._loading = _in_a_thread(self._load, progress)
        stopping = asyncio.ensure_future(shutdown.wait())
        try:
            while not self._loading.done():
                await asyncio.wait(
                    [self._loading, stopping],
                    timeout=_LOOK_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if shutdown.is_set():
                    return None
                await asyncio.to_thread(self._look)
        finally:
            stopping.cancel()
        failed = self._loading.exception()
        if isinstance(failed, DynamoError):
            # It says all that there is to say: how the thread got there does not matter.
            raise failed.with_traceback(None)
        return self._loading.result()

    def watch(self, llm: Any, died: Callable[[EngineShutdown], None]) -> None:
        """Calls ``died`` on the event loop when one of the processes of ``llm`` has ended."""
        resources = llm.engine_core.resources
        processes = list(resources.engine_manager.processes)
        if resources.coordinator is not None:
            processes.append(resources.coordinator.proc)
        loop = asyncio.get_running_loop()
        for process in processes:
            try:
                descriptor = os.pidfd_open(process.pid)
            except ProcessLookupError:
                died(EngineShutdown(f"vLLM's process {process.name} {_end_of(process)}"))
                continue
            self._watched.append(descriptor)
            loop.add_reader(descriptor, self._ended, process, descriptor, died)

    async def stop(self) -> None:
        """Ends vLLM and all that it started, within the time that a shutdown keeps for cleanup.

        May be called again, and after a start that failed.
        """
        self._closing = True
        loop = asyncio.get_running_loop()
        while self._watched:
            descriptor = self._watched.pop()
            loop.remove_reader(descriptor)
            os.close(descriptor)
        seconds = self._cleanup_seconds
        until = loop.time() + seconds
        await asyncio.to_thread(self._look)
        ending, self._loading = self._loading, None
        llm = _result(ending)
        if llm is not None:
            ending = _in_a_thread(_shut_down, llm, seconds * _SHARE_OF_SHUTDOWN)
            await asyncio.wait([ending], timeout=seconds * _SHARE_OF_SHUTDOWN)
        elif not self._has_begun:
            # It may wait for a hub that is silent. Where it computes it gets time: its thread must
            # not be in native code when the interpreter ends.
            until = loop.time() + seconds * _SHARE_OF_SHUTDOWN
        await asyncio.to_thread(self._kill)
        while ending is not None and not ending.done() and loop.time() < until:
            # Its processes have ended, for which it waits, but for those that a start still makes.
            await asyncio.wait([ending], timeout=_LOOK_SECONDS / 5)
            await asyncio.to_thread(self._kill)
        if ending is not None:
            ending.cancel()
        for made in (llm, _result(ending)):
            if made is not None:
                _close_sockets(made.engine_core.resources)
        await asyncio.to_thread(self._processes.clean_up)
        if self._sockets is not None:
            self._sockets.cleanup()
            self._sockets = None

    def _load(self, progress: Progress | None) -> Any:
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        def report(message: str) -> None:
            logger.info(message)
            if progress is not None:
                progress(message)

        arguments = self._engine_args
        report(f"reading the configuration of {arguments.model}")
        context = UsageContext.OPENAI_API_SERVER
        config = vllm_config(arguments, context, self._mode)
        with _one_at_a_time:
            self._has_begun = True
            if self._closing:
                raise EngineShutdown("vLLM is not wanted any more")
            self._thread = threading.get_native_id()
            report(f"starting vLLM with {arguments.model}")
            try:
                with self._own_sockets():
                    return AsyncLLM.from_vllm_config(
                        config,
                        usage_context=context,
                        stat_loggers=self._stat_loggers,
                        enable_log_requests=arguments.enable_log_requests,
                        disable_log_stats=arguments.disable_log_stats,
                    )
            except (RuntimeError, TimeoutError) as error:
                raise Unknown(f"vLLM did not start, and its log above says why: {error}") from None
            finally:
                self._look()
                self._thread = None

    def _own_sockets(self) -> _Environment:
        """A folder for vLLM's sockets, which it never removes."""
        self._sockets = TemporaryDirectory(
            prefix="dynamo-vllm-", dir=os.environ.get(_SOCKETS), ignore_cleanup_errors=True
        )
        return _Environment(_SOCKETS, self._sockets.name)

    def _kill(self) -> None:
        self._look()
        self._processes.kill(_PATIENCE_SECONDS)

    def _look(self) -> None:
        if self._thread is not None:
            self._processes.add_children_of(self._thread)
        else:
            self._processes.add(())

    def _ended(self, process: Any, descriptor: int, died: Callable[[EngineShutdown], None]) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        if not self._closing:
            died(EngineShutdown(f"vLLM's process {process.name} {_end_of(process)}"))


class _Environment:
    """A variable of the environment, for a while; what is started meanwhile inherits it."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value
        self._before = os.environ.get(name)

    def __enter__(self) -> None:
        os.environ[self._name] = self._value

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del os.environ[self._name]
        else:
            os.environ[self._name] = self._before


def _in_a_thread(work: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
    """What ``work`` returns: as ``asyncio.to_thread``, but the end of the process does not wait."""
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="dynamo-vllm", daemon=True).start()
    return asyncio.wrap_future(future)


def _shut_down(llm: Any, seconds: float) -> None:
    try:
        llm.shutdown(timeout=seconds)
    except Exception:
        logger.exception("vLLM's shutdown failed; its processes are killed")


def _result(loading: asyncio.Future[Any] | None) -> Any:
    """What was loaded; None: nothing, or not yet."""
    if loading is None or not loading.done() or loading.cancelled() or loading.exception():
        return None
    return loading.result()


def _close_sockets(resources: Any) -> None:
    """Closes what vLLM may have had no time to: Python would wait for it at its end."""
    import zmq

    for held in vars(resources).values():
        if isinstance(held, zmq.Socket):
            held.close(linger=0)


def _end_of(process: Any) -> str:
    status = _status_of(process)
    if status is None:
        return f"({process.pid}) has ended"
    if status < 0:
        return f"({process.pid}) was killed by {signal.Signals(-status).name}"
    return f"({process.pid}) ended with status {status}"


def _status_of(process: Any) -> int | None:
    """The exit status; None: nobody knows."""
    # A thread of vLLM's may be asking, too: who comes second knows a moment later.
    for _ in range(20):
        with suppress(Exception):
            if process.exitcode is not None:
                return int(process.exitcode)
        time.sleep(0.005)
    return None
