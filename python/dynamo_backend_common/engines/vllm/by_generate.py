"""Tokens by vLLM's public ``generate``: a task and a chunk for each request and step."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from ...exceptions import EngineShutdown
from .outputs import Output
from .refusals import refusing

if TYPE_CHECKING:
    from ..._core import RequestContext, Steps, StepStream
    from .call import Call

logger = logging.getLogger(__name__)


class ByGenerate:
    """Serves with nothing of vLLM's but its public interface."""

    def __init__(self, llm: Any, steps: Steps) -> None:
        """Takes a vLLM that has started.

        Args:
            llm: vLLM's ``AsyncLLM``.
            steps: Takes the output.
        """
        self._llm = llm
        self._steps = steps
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def serve(self, call: Call, lora_request: Any, context: RequestContext) -> StepStream:
        """Has vLLM serve a request; the stream gets its output."""
        stream = self._steps.open(context)
        generating = self._generate(call, lora_request, stream.id)
        task = asyncio.get_running_loop().create_task(generating)
        self._tasks[stream.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(stream.id, None))
        return stream

    async def run(self) -> None:
        """Waits until it is cancelled; raises when vLLM can make no more."""
        raise await self._failed

    async def abort_unwanted(self) -> None:
        """Has vLLM let go of what nobody wants any more."""
        self._let_go(self._steps.wait(0).cancelled)

    def close(self) -> None:
        """Ends what runs."""
        for task in self._tasks.values():
            task.cancel()

    async def _generate(self, call: Call, lora_request: Any, stream: int) -> None:
        from vllm.v1.engine.exceptions import EngineDeadError

        output = Output(call)
        made = self._llm.generate(
            call.prompt,
            call.params,
            call.request_id,
            lora_request=lora_request,
            trace_headers=call.trace_headers,
            priority=call.priority,
            data_parallel_rank=call.data_parallel_rank,
            reasoning_ended=call.reasoning_ended,
            reasoning_parser_kwargs=call.reasoning_parser_kwargs,
        )
        try:
            while (some := await _next(made)) is not None:
                chunk = output.chunk_of_request_output(some)
                self._let_go(self._steps.push([(stream, chunk)]).cancelled)
        except EngineDeadError as error:
            if not self._failed.done():
                self._failed.set_result(EngineShutdown(f"vLLM can serve no more: {error}"))
        except Exception as error:
            self._let_go(self._steps.push([(stream, error)]).cancelled)

    def _let_go(self, streams: list[int]) -> None:
        for stream in streams:
            task = self._tasks.get(stream)
            if task is not None:
                # vLLM aborts the request of a generator that is cancelled.
                task.cancel()


async def _next(made: Any) -> Any:
    with refusing():
        return await anext(made, None)
