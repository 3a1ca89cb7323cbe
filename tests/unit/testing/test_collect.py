"""Single requests: what an engine gets, and what a client of it gets."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_backend_common import InvalidArgument, RequestContext, StreamIncomplete, TokenIds
from dynamo_backend_common.engines.echo import Echo
from dynamo_backend_common.testing import collect, context, request
from support.good_engines import Good, Stepped, Synchronous
from support.wrong_engines import NoTerminal

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = {"stop_conditions", "sampling_options", "output_options"}


class Remembering(Good):
    """Keeps what it got, and what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.request: Any = None
        self.context: RequestContext | None = None
        self.aborted: list[str] = []

    async def generate(self, request: Any, context: RequestContext) -> Any:
        self.request, self.context = request, context
        async for chunk in super().generate(request, context):
            yield chunk

    async def abort(self, context: RequestContext) -> None:
        self.aborted.append(context.id)


async def test_a_request_reaches_the_engine_as_a_workers_does() -> None:
    engine = Remembering()
    made = request([3, 1], stop_conditions={"max_tokens": 2}, sampling_options={"seed": 7})
    await collect(engine, made)

    assert isinstance(engine.request["token_ids"], TokenIds)
    assert engine.request["token_ids"] == [3, 1]
    for part in PARTS:
        given: Any = made
        # A worker's has some more, all of them None.
        assert {key: engine.request[part].get(key) for key in given[part]} == given[part]
    assert made["stop_conditions"]["max_tokens"] == 2
    assert made["sampling_options"]["seed"] == 7
    assert made["sampling_options"]["temperature"] == 0.0


def test_a_key_that_no_request_has_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="stop_conditions has no key 'max_token'; accepted: "):
        request(stop_conditions={"max_token": 2})  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [Good, Synchronous])
async def test_the_chunks_are_those_that_a_client_gets(make: Callable[[], Any]) -> None:
    chunks = await collect(make(), request(stop_conditions={"max_tokens": 2}))

    assert [token for chunk in chunks for token in chunk["token_ids"]] == [0, 1]
    assert chunks[-1].keys() == {"token_ids", "finish_reason"}
    assert chunks[-1]["finish_reason"] == "stop"


async def test_it_leaves_no_thread_of_a_synchronous_engine() -> None:
    before = set(threading.enumerate())
    await collect(Synchronous(), request())

    begun = set(threading.enumerate()) - before
    for thread in [each for each in begun if each.name == "dynamo-request"]:
        await asyncio.to_thread(thread.join, 10.0)
        assert not thread.is_alive()


async def test_a_step_loop_pushes_to_the_workers_own_steps() -> None:
    engine = Stepped()
    await engine.start(1)
    try:
        chunks = await collect(engine, request(stop_conditions={"max_tokens": 4}))
        stopped = await collect(
            engine, request(stop_conditions={"max_tokens": 10**6}), stop_after=2
        )
    finally:
        await engine.cleanup()

    assert [token for chunk in chunks for token in chunk["token_ids"]] == [3, 2, 1]
    assert chunks[-1]["finish_reason"] == "stop"
    assert stopped[-1]["finish_reason"] == "cancelled"


async def test_a_client_that_leaves_is_told_to_the_engine() -> None:
    engine = Remembering()
    asked = context("mine", metadata={"tenant": "blue"})
    long = request(stop_conditions={"max_tokens": 10**4})
    chunks = await collect(engine, long, stop_after=2, context=asked)

    assert chunks[-1]["finish_reason"] == "cancelled"
    assert engine.aborted == ["mine"]
    assert engine.context == asked
    assert engine.context is not None
    assert engine.context.metadata == {"tenant": "blue"}


async def test_the_metadata_of_a_context_are_one_dict_that_the_engine_may_change() -> None:
    asked = context("mine", metadata={"tenant": "blue"})
    asked.metadata["stage"] = "prefill"
    assert asked.metadata == {"tenant": "blue", "stage": "prefill"}
    asked.metadata = {"tenant": "red"}
    assert asked.metadata == {"tenant": "red"}
    for wrong in (7, {"tenant": 7}, None):
        with pytest.raises(
            InvalidArgument, match=r"metadata is .*; accepted: a dict of str to str"
        ):
            asked.metadata = wrong  # type: ignore[assignment]
    assert asked.metadata == {"tenant": "red"}


async def test_a_detached_context_is_stopped_by_itself() -> None:
    asked = context("mine", metadata={"tenant": "blue"})
    other = asked.detached("other")
    assert (other.id, other.metadata, other == asked) == ("other", {"tenant": "blue"}, False)
    other.metadata["tenant"] = "red"
    assert asked.metadata == {"tenant": "blue"}
    asked.stop()
    assert (asked.is_stopped(), other.is_stopped()) == (True, False)
    stopped = other.stopped()
    other.stop_generating()
    await stopped
    assert other.is_stopped()


async def test_a_client_that_left_before_its_turn_costs_no_generate() -> None:
    engine = Remembering()
    await collect(engine, request(), stop_after=0)

    assert engine.request is None


async def test_an_engine_in_rust() -> None:
    chunks = await collect(Echo(), request([5, 6]))

    assert [token for chunk in chunks for token in chunk["token_ids"]] == [5, 6]


async def test_what_a_client_gets_in_the_place_of_a_chunk_is_raised() -> None:
    with pytest.raises(StreamIncomplete, match="NoTerminal ended the stream"):
        await collect(NoTerminal(), request())


async def test_a_context_wakes_who_waits_for_it() -> None:
    asked = context()
    stopped, killed = asked.stopped(), asked.killed()
    assert (asked.is_stopped(), asked.is_killed()) == (False, False)

    asked.stop()
    await stopped
    assert (asked.is_stopped(), asked.is_killed()) == (True, False)
    assert not killed.done()
    asked.kill()
    await killed
    assert asked.is_killed()


def test_each_loop_has_what_is_its_own() -> None:
    async def ids() -> list[str]:
        return [context().id, context().id]

    made = [*asyncio.run(ids()), *asyncio.run(ids())]
    assert len(set(made)) == 4
