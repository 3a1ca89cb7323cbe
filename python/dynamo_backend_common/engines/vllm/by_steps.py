"""Tokens by steps: what the engine core sends for a step goes to all streams in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from .outputs import Output
from .refusals import refusing

if TYPE_CHECKING:
    from ..._core import RequestContext, Steps, StepStream
    from ...messages import Step
    from .call import Call
    from .statistics import Counted, Statistics


class _Running:
    """A request that vLLM has."""

    __slots__ = ("counted", "output", "request_id", "stream")

    def __init__(
        self, request_id: str, stream: int, output: Output, counted: Counted | None
    ) -> None:
        self.request_id = request_id
        self.stream = stream
        self.output = output
        self.counted = counted


class BySteps:
    """Reads vLLM's engine core past its output processor.

    vLLM's input processor makes a request, and its client of the engine core sends it and receives
    what comes.
    """

    def __init__(self, llm: Any, steps: Steps, statistics: Statistics, tasks: Any) -> None:
        """Takes a vLLM: see `begin`."""
        self._core = llm.engine_core
        self._processor = llm.input_processor
        self._steps = steps
        self._statistics = statistics
        self._tasks = tasks
        self._by_request: dict[str, _Running] = {}
        self._by_stream: dict[int, _Running] = {}

    @classmethod
    async def begin(cls, llm: Any, steps: Steps, statistics: Statistics, tasks: Any) -> Self:
        """Takes a vLLM that has started, and of which no request runs.

        Args:
            llm: vLLM's ``AsyncLLM``.
            steps: Takes the output.
            statistics: Is told of each step.
            tasks: What vLLM's ``get_supported_tasks`` said.

        Raises:
            InvalidArgument: Tokens cannot come this way.
        """
        return cls(llm, steps, statistics, tasks)

    async def serve(self, call: Call, lora_request: Any, context: RequestContext) -> StepStream:
        """Has vLLM serve a request; the stream gets its output.

        Raises:
            InvalidArgument: vLLM does not accept it.
        """
        request = self._make_request(call, lora_request)
        stream = self._steps.open(context)
        self._begin(call, request, stream)
        await self._core.add_request_async(request)
        return stream

    def _make_request(self, call: Call, lora_request: Any) -> Any:
        """The ``EngineCoreRequest``.

        Raises:
            InvalidArgument: vLLM does not accept the call.
        """
        with refusing():
            request = self._processor.process_inputs(
                call.request_id,
                call.prompt,
                call.params,
                supported_tasks=self._tasks,
                lora_request=lora_request,
                trace_headers=call.trace_headers,
                priority=call.priority,
                data_parallel_rank=call.data_parallel_rank,
            )
        request.reasoning_ended = call.reasoning_ended
        request.reasoning_parser_kwargs = call.reasoning_parser_kwargs
        self._processor.assign_request_id(request)
        return request

    async def run(self) -> None:
        """Moves output until it is cancelled; raises when vLLM can make no more."""
        while True:
            await self._move(await self._core.get_output_async())

    async def abort_unwanted(self) -> None:
        """Has vLLM let go of what nobody wants any more."""
        await self._let_go(self._steps.wait(0).cancelled)

    def close(self) -> None:
        """Nothing is held beyond the task that runs this."""

    def _begin(self, call: Call, request: Any, stream: StepStream) -> None:
        counted = self._statistics.count(call, request)
        running = _Running(request.request_id, stream.id, Output(call), counted)
        self._by_request[running.request_id] = running
        self._by_stream[running.stream] = running

    async def _move(self, outputs: Any) -> None:
        """Hands an engine core's ``EngineCoreOutputs`` of one step over."""
        statistics = self._statistics
        iteration = statistics.iteration() if outputs.outputs else None
        step: list[Step] = []
        for output in outputs.outputs:
            running = self._by_request.get(output.request_id)
            if running is None:
                # It was aborted, and the step was on its way.
                continue
            if iteration is not None and running.counted is not None:
                statistics.observe(output, outputs.timestamp, running.counted, iteration)
            if output.finish_reason is not None:
                self._forget(running)
            step.append((running.stream, running.output.chunk(output)))
        await self._let_go(self._steps.push(step).cancelled)
        statistics.record(outputs.engine_index, outputs.scheduler_stats, iteration)

    async def _let_go(self, streams: list[int]) -> None:
        aborted = []
        for stream in streams:
            running = self._by_stream.get(stream)
            if running is not None:
                self._forget(running)
                self._statistics.drop(running.counted)
                aborted.append(running.request_id)
        if aborted:
            await self._core.abort_requests_async(aborted)

    def _forget(self, running: _Running) -> None:
        del self._by_request[running.request_id]
        del self._by_stream[running.stream]
