"""A vLLM that has started, as it serves: requests in, tokens out, until it fails or is ended."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from ..._core import Steps
from ...exceptions import DynamoError, EngineShutdown, InvalidArgument
from . import card
from .by_generate import ByGenerate
from .by_socket import BySocket
from .controls import Controls
from .lora import Adapters
from .paths import choose_path
from .requests import Requests

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from ..._core import RequestContext, SnapshotPublisher, StepStream
    from ...config import WorkerConfig
    from .paths import TokenPath
    from .snapshots import Snapshots

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Serving:
    """What the engine has from its start to its end."""

    def __init__(self, llm: Any, config: WorkerConfig) -> None:
        """Takes a vLLM that has just started; `begin` has it serve.

        Args:
            llm: vLLM's ``AsyncLLM``.
            config: The worker's.
        """
        self.llm = llm
        self.engine_config = card.engine_config(llm)
        self.ranks: list[int] = list(llm.engine_core.engine_ranks_managed)
        adapters = None
        if llm.vllm_config.lora_config is not None:
            names = (self.engine_config.model, config.served_model_name)
            adapters = Adapters(llm, frozenset(name for name in names if name is not None))
        self.adapters = adapters
        self.controls = Controls(llm, adapters)
        self._requests = Requests(
            llm.vllm_config,
            config.disaggregation_mode,
            dp_ranks=range(self.ranks[0], self.ranks[-1] + 1),
            lora_names=frozenset() if adapters is None else adapters,
        )
        self._steps = Steps()
        self._path: TokenPath | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: asyncio.Future[EngineShutdown] = asyncio.get_running_loop().create_future()

    async def begin(self, token_path: str, *, counts_requests: bool) -> None:
        """Begins to take requests.

        Raises:
            InvalidArgument: The way for tokens that was asked for is none with this vLLM.
            EngineShutdown: vLLM has failed.
        """
        path = self._path = await self._unless_it_fails(
            choose_path(token_path, self.llm, self._steps, counts_requests=counts_requests)
        )
        moving = self._begin(path.run())
        if self.llm.output_handler is None and not isinstance(path, ByGenerate):
            # By it vLLM knows whether somebody reads, and ends it with the rest.
            self.llm.output_handler = moving
        if counts_requests:
            self._begin(self._log_on())

    async def serve(self, request: Mapping[str, Any], context: RequestContext) -> StepStream:
        """Serves one request.

        Raises:
            InvalidArgument: The request cannot be served; the message says why.
            EngineShutdown: vLLM has failed.
        """
        if self._path is None:
            raise EngineShutdown("the vllm engine is not serving")
        try:
            call = self._requests.read(request, context)
            lora_request = None
            if call.lora_name is not None and self.adapters is not None:
                lora_request = self.adapters.request(call.lora_name)
            return await self._path.serve(call, lora_request, context)
        except InvalidArgument:
            await self._turn_down(request, context)
            raise
        except DynamoError:
            raise
        except Exception as error:
            if self.llm.errored:
                raise EngineShutdown("vLLM has failed, and can serve no more") from error
            raise

    async def abort_unwanted(self) -> None:
        """Has vLLM let go of what nobody wants any more, also where no step comes by."""
        if self._path is not None:
            await self._path.abort_unwanted()

    async def control(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Performs a control.

        Raises:
            InvalidArgument: There is none of that name, or its body is not accepted.
            EngineShutdown: vLLM has failed.
        """
        return await self._unless_it_fails(self.controls(name, body))

    def publish(self, publisher: SnapshotPublisher, snapshots: Snapshots) -> None:
        """Publishes how full each rank's KV cache is, from now on."""
        total = self.engine_config.total_kv_blocks or 0
        for rank in self.ranks:
            # Nothing comes from a rank before its first step.
            publisher.push(rank, total_blocks=total, used_blocks=0)
        if isinstance(self._path, BySocket):
            self._path.publish_snapshots(publisher, total, self.ranks)
        else:
            snapshots.publish_to(publisher, total)

    @property
    def bos_token(self) -> int:
        """The token that a prompt begins with, or any."""
        token = getattr(self.llm.model_config.hf_text_config, "bos_token_id", None)
        return token if isinstance(token, int) else 0

    async def is_quiescent(self) -> bool | None:
        """Whether nothing runs; None where a peer may still fetch what was prefilled for it."""
        # Where no step comes by, streams that their readers dropped are still open.
        await self.abort_unwanted()
        if len(self._steps):
            return False
        return None if self._requests.are_fetched else True

    def fail(self, error: EngineShutdown) -> None:
        """Ends every request with ``error``, and the engine."""
        if not self._failure.done():
            self._steps.fail(error)
            self._failure.set_result(error)

    async def failure(self) -> EngineShutdown:
        """Waits for what vLLM fails with."""
        return await asyncio.shield(self._failure)

    async def end(self) -> None:
        """Takes no more, and moves no more."""
        self.fail(EngineShutdown("the vllm engine was shut down"))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._path is not None:
            self._path.close()

    async def _turn_down(self, request: Mapping[str, Any], context: RequestContext) -> None:
        """Has the worker that prefilled ``request`` let go of what nobody will fetch."""
        staged = self._requests.staged(request)
        if staged is None:
            return
        try:
            await self.llm.notify_kv_transfer_request_rejected(context.id, staged)
        except Exception:
            logger.warning("the prefill of %s keeps its KV cache", context.id, exc_info=True)

    async def _unless_it_fails(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` returns: no call of vLLM's is answered once its engine core has died."""
        task = asyncio.ensure_future(work)
        either: list[asyncio.Future[Any]] = [task, self._failure]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            raise self._failure.result()
        return task.result()

    async def _log_on(self) -> None:
        """Has vLLM write its line of the log every ten seconds, or as its environment says."""
        from vllm import envs

        while True:
            await asyncio.sleep(envs.VLLM_LOG_STATS_INTERVAL)
            await self.llm.do_log_stats()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        cause = task.exception()
        error = EngineShutdown(f"vLLM can serve no more: {type(cause).__name__}: {cause}")
        error.__cause__ = cause
        self.fail(error)
