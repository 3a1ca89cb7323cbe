"""Tokens by the engine core's socket: read in Rust, and in their streams without the GIL."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
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
        self,
        llm: Any,
        steps: Steps,
        statistics: Statistics,
        tasks: Any,
        socket: OutputSocket,
        records: _Records,
    ) -> None:
        """Takes a vLLM, and what reads its engine core: see `begin`."""
        super().__init__(llm, steps, statistics, tasks)
        self._socket = socket
        self._records = records
        self._counted = records.counted

    @classmethod
    async def begin(cls, llm: Any, steps: Steps, statistics: Statistics, tasks: Any) -> Self:
        """Takes the place of vLLM's client, which has started, and of which no request runs.

        Raises:
            InvalidArgument: Its messages are not as they are known, or come by a network.
        """
        layout = _layout()
        records = _Records(statistics)
        async with _aside(llm) as (address, aside):
            socket = OutputSocket(
                steps, layout, address=address, forward_to=aside, statistics=statistics.per_request
            )
            try:
                # The answer comes by the new way, so all do.
                await asyncio.wait_for(llm.is_sleeping(), _ANSWER_SECONDS)
                return cls(llm, steps, statistics, tasks, socket, records)
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

    def __init__(self, statistics: Statistics) -> None:
        self.counted: dict[str, Counted] = {}
        decoder = _of_vllm("vllm.v1.serial_utils", "MsgpackDecoder")
        self._statistics = statistics
        self._output = decoder(_of_vllm("vllm.v1.engine", "EngineCoreOutput"))
        self._scheduler_stats = decoder(_of_vllm("vllm.v1.metrics.stats", "SchedulerStats"))

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
            counted = self.counted.get(output.request_id)
            if counted is None:
                continue
            counted.stats.num_generation_tokens = tokens
            if last:
                counted.stats.last_token_ts = last
            self._statistics.observe(output, record.timestamp, counted, iteration)
            if output.finish_reason is not None:
                del self.counted[output.request_id]
        return iteration


@contextlib.asynccontextmanager
async def _aside(llm: Any) -> AsyncIterator[tuple[str, str]]:
    """Has vLLM's client listen elsewhere: yields the address that is free then, and the other.

    Where the body raises, all is as before.
    """
    import zmq

    theirs = getattr(getattr(llm.engine_core, "resources", None), "output_socket", None)
    if not isinstance(theirs, zmq.Socket):
        raise InvalidArgument("this release of vLLM has no engine_core.resources.output_socket")
    address = theirs.get_string(zmq.LAST_ENDPOINT).rstrip("\0")
    if not address.startswith("ipc:///"):
        raise InvalidArgument(f"the engine core's messages come by {address}, and not by ipc://")
    aside = f"{address}-aside"
    try:
        theirs.bind(aside)
    except zmq.ZMQError as error:
        raise InvalidArgument(f"{aside}: {error}") from None
    theirs.unbind(address)
    try:
        await let_go(address)
        yield address, aside
    except BaseException:
        theirs.bind(address)
        theirs.unbind(aside)
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
    """The fields of what this release sends, in order, where they are sent as they are read."""
    layout = {}
    for module, name, names_of in _STRUCTS:
        names = names_of(_of_vllm(module, name))
        if names is None:
            raise InvalidArgument(f"this release of vLLM sends {name} otherwise than is known")
        layout[name] = names
    return layout


def _of_vllm(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise InvalidArgument(f"this release of vLLM has no {module}.{name}") from None


def _of_array(struct: Any) -> list[str] | None:
    config = getattr(struct, "__struct_config__", None)
    return list(struct.__struct_fields__) if config is not None and config.array_like else None


def _of_tuple(struct: Any) -> list[str] | None:
    names = getattr(struct, "_fields", None)
    return None if names is None else list(names)


def _of_map(struct: Any) -> list[str] | None:
    if not dataclasses.is_dataclass(struct):
        return None
    return [field.name for field in dataclasses.fields(struct)]


_STRUCTS = (
    ("vllm.v1.engine", "EngineCoreOutputs", _of_array),
    ("vllm.v1.engine", "EngineCoreOutput", _of_array),
    ("vllm.v1.outputs", "LogprobsLists", _of_tuple),
    ("vllm.v1.metrics.stats", "PrefillStats", _of_map),
    ("vllm.v1.metrics.stats", "SchedulerStats", _of_map),
)
"""What is sent: arrays by the fields' places, or maps by their names."""
