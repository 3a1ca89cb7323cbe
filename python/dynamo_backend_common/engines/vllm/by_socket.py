"""Tokens by the engine core's socket: read in Rust, and in their streams without the GIL."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..._core import OutputSocket
from ...exceptions import InvalidArgument
from .by_steps import BySteps

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..._core import RequestContext, StepRecord, Steps, StepStream
    from .call import Call
    from .statistics import Counted, Statistics

_FETCH_SECONDS = 0.1
_LETTING_GO_SECONDS = 5.0
_LOOK_SECONDS = 0.005
_ANSWER_SECONDS = 30.0


class BySocket(BySteps):
    """Stands between the engine core and vLLM's client of it.

    The engine core sends to an address that the client has bound. A thread of Rust takes its place
    there, and passes on what it was not told to expect: to where the client listens from then on.
    """

    def __init__(
        self, llm: Any, steps: Steps, statistics: Statistics, tasks: Any, socket: OutputSocket
    ) -> None:
        """Takes a vLLM, and the socket that reads its engine core: see `begin`."""
        super().__init__(llm, steps, statistics, tasks)
        self._socket = socket
        self._counted: dict[str, Counted] = {}
        self._records = _Records(statistics, self._counted)

    @classmethod
    async def begin(cls, llm: Any, steps: Steps, statistics: Statistics, tasks: Any) -> Self:
        """Takes the place of vLLM's client, which has started, and of which no request runs.

        Raises:
            InvalidArgument: Its messages are not as they are known, or come by a network.
        """
        async with _aside(llm) as (address, aside):
            socket = OutputSocket(
                steps,
                _layout(),
                address=address,
                forward_to=aside,
                statistics=statistics.per_request,
            )
            try:
                # The answer comes by the new way, so all do.
                await asyncio.wait_for(llm.is_sleeping(), _ANSWER_SECONDS)
                return cls(llm, steps, statistics, tasks, socket)
            except BaseException as error:
                socket.close()
                if isinstance(error, TimeoutError):
                    raise InvalidArgument("the engine core does not come back to it") from None
                raise

    async def serve(self, call: Call, lora_request: Any, context: RequestContext) -> StepStream:
        """Has vLLM serve a request; the stream gets its output.

        Raises:
            InvalidArgument: vLLM does not accept it.
        """
        if not call.by_socket:
            return await super().serve(call, lora_request, context)
        request = self._make_request(call, lora_request)
        stream = self._steps.open(context)
        self._socket.expect(
            request.request_id,
            stream,
            prompt_tokens=call.prompt_tokens,
            logprobs=call.logprobs,
            is_guided=call.params.structured_outputs is not None,
            prompt_tokens_details=call.prompt_tokens_details,
        )
        counted = self._statistics.count(call, request)
        if counted is not None:
            self._counted[request.request_id] = counted
        await self._core.add_request_async(request)
        return stream

    async def run(self) -> None:
        """Moves what is not the socket's, and fetches what the socket knows."""
        tasks = [asyncio.ensure_future(super().run()), asyncio.ensure_future(self._fetch_on())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            for task in tasks:
                task.cancel()

    async def abort_unwanted(self) -> None:
        """Has vLLM let go of what nobody wants any more."""
        await self._fetch()
        await super().abort_unwanted()

    def close(self) -> None:
        """Ends the thread."""
        self._socket.close()

    def publish_snapshots(self, publisher: Any, total_blocks: int, ranks: list[int]) -> None:
        """Has the socket publish the load of each rank at every step."""
        self._socket.publish_snapshots(publisher, dict.fromkeys(ranks, total_blocks))

    async def _fetch_on(self) -> None:
        while True:
            await asyncio.sleep(_FETCH_SECONDS)
            await self._fetch()

    async def _fetch(self) -> None:
        taken = self._socket.take()
        for record in taken.steps:
            self._records.tell(record)
        for request_id in taken.given_up:
            self._statistics.drop(self._counted.pop(request_id, None))
        if taken.given_up:
            await self._core.abort_requests_async(taken.given_up)


class _Records:
    """Tells vLLM's statistics of the steps that passed by Python."""

    def __init__(self, statistics: Statistics, counted: dict[str, Counted]) -> None:
        from vllm.v1.engine import EngineCoreOutput
        from vllm.v1.metrics.stats import SchedulerStats
        from vllm.v1.serial_utils import MsgpackDecoder

        self._statistics = statistics
        self._counted = counted
        self._output = MsgpackDecoder(EngineCoreOutput)
        self._scheduler_stats = MsgpackDecoder(SchedulerStats)

    def tell(self, record: StepRecord) -> None:
        stats = record.scheduler_stats
        self._statistics.record(
            record.engine_index,
            None if stats is None else self._scheduler_stats.decode(stats),
            self._iteration(record),
        )

    def _iteration(self, record: StepRecord) -> Any:
        if not record.generation_tokens and not record.notable:
            return None
        iteration = self._statistics.iteration()
        if iteration is None:
            return None
        # Both clocks are this machine's.
        iteration.iteration_timestamp -= time.monotonic() - record.timestamp
        iteration.num_generation_tokens += record.generation_tokens
        iteration.inter_token_latencies_iter += record.inter_token_latencies
        for packed, tokens, last in record.notable:
            output = self._output.decode(packed)
            counted = self._counted.get(output.request_id)
            if counted is None:
                continue
            counted.stats.num_generation_tokens = tokens
            if last:
                counted.stats.last_token_ts = last
            self._statistics.observe(output, record.timestamp, counted, iteration)
            if output.finish_reason is not None:
                del self._counted[output.request_id]
        return iteration


@contextlib.asynccontextmanager
async def _aside(llm: Any) -> AsyncIterator[tuple[str, str]]:
    """Has vLLM's client listen elsewhere: yields the address that is free then, and the other.

    Where the body raises, all is as before.
    """
    import zmq

    theirs = llm.engine_core.resources.output_socket
    address = theirs.getsockopt(zmq.LAST_ENDPOINT).decode().rstrip("\0")
    if not address.startswith("ipc://"):
        raise InvalidArgument(f"the engine core's messages come by {address}, and not by ipc://")
    aside = f"{address}-aside"
    theirs.unbind(address)
    theirs.bind(aside)
    try:
        await let_go(address)
        yield address, aside
    except BaseException:
        theirs.unbind(aside)
        theirs.bind(address)
        raise


async def let_go(address: str) -> None:
    """Waits until the last connection to an ``ipc://`` address that was unbound has ended.

    What is sent over one that is about to end is lost.

    Raises:
        InvalidArgument: Some are left after five seconds.
    """
    deadline = time.monotonic() + _LETTING_GO_SECONDS
    while await asyncio.to_thread(_is_in_use, address.removeprefix("ipc://")):
        if time.monotonic() > deadline:
            raise InvalidArgument(
                f"{address}: the engine core stays connected to vLLM's own client"
            )
        # libzmq ends them in threads of its own, and in the event loop, where that has the socket.
        await asyncio.sleep(_LOOK_SECONDS)


def _is_in_use(path: str) -> bool:
    sockets = Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()
    return any(socket.endswith(f" {path}") for socket in sockets)


def _layout() -> dict[str, list[str]]:
    """The fields of what this release sends, in order."""
    from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs
    from vllm.v1.metrics.stats import PrefillStats, SchedulerStats
    from vllm.v1.outputs import LogprobsLists

    layout = {
        struct.__name__: list(struct.__struct_fields__)
        for struct in (EngineCoreOutputs, EngineCoreOutput)
    }
    layout["LogprobsLists"] = list(LogprobsLists._fields)
    for record in (PrefillStats, SchedulerStats):
        layout[record.__name__] = [field.name for field in dataclasses.fields(record)]
    return layout
