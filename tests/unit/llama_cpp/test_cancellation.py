"""Who leaves frees the slot at the next step, however he leaves."""

import asyncio

import pytest

from dynamo_backend_common.testing import context as made_context

ENDLESS = {"max_tokens": None, "ignore_eos": True}


def _free(client):
    load = client.engine.load
    return load.running == 0 and load.waiting == 0 and load.free_slots == 4


@pytest.fixture
def prompt(chat):
    return chat("Write a long story.")


async def test_a_closed_generator(client, prompt):
    stream = client.stream(prompt, stop=ENDLESS)
    await anext(stream)
    assert client.engine.load.running == 1
    await stream.aclose()
    await client.until(lambda: _free(client))
    assert await client.engine.is_quiescent()


async def test_a_cancelled_task(client, prompt):
    task = asyncio.create_task(client.ask(prompt, stop=ENDLESS))
    await client.until(lambda: client.engine.load.running == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.until(lambda: _free(client))


async def test_a_stopped_context(client, prompt):
    context = made_context()
    stream = client.stream(prompt, stop=ENDLESS, context=context)
    await anext(stream)
    context.stop()
    chunks = [chunk async for chunk in stream]
    assert chunks[-1]["finish_reason"] == "cancelled"
    assert chunks[-1]["token_ids"] == []
    assert sum("finish_reason" in chunk for chunk in chunks) == 1
    await client.until(lambda: _free(client))


async def test_who_leaves_while_the_request_comes_in_costs_no_step(client, prompt, monkeypatch):
    context = made_context()
    generate = client.engine.generate

    async def leaving(request, given):
        context.stop()
        return await generate(request, given)

    monkeypatch.setattr(client.engine, "generate", leaving)
    output = await client.ask(prompt, context=context)
    assert output.reason == "cancelled"
    assert client.engine.load.steps == 0


async def test_a_request_that_waits_for_a_slot(client, prompt):
    running = [asyncio.create_task(client.ask(prompt, stop=ENDLESS)) for _ in range(4)]
    await client.until(lambda: client.engine.load.running == 4)
    context = made_context()
    waiting = asyncio.create_task(client.ask(prompt, context=context))
    await client.until(lambda: client.engine.load.waiting == 1)
    context.stop()
    output = await waiting
    assert output.reason == "cancelled"
    assert output.tokens == []
    await client.until(lambda: client.engine.load.waiting == 0)
    assert client.engine.load.running == 4
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await client.until(lambda: _free(client))


async def test_the_others_go_on(client, prompt, greedy):
    leaver = client.stream(prompt, stop=ENDLESS)
    await anext(leaver)
    stayer = asyncio.create_task(client.ask(prompt, stop={"max_tokens": 20}))
    await client.until(lambda: client.engine.load.running == 2)
    await leaver.aclose()
    assert (await stayer).tokens == greedy(prompt, 20)


async def test_who_does_not_read_is_paused_and_keeps_the_slot(client, prompt, greedy):
    wanted = greedy(prompt, 90)
    slow = client.stream(prompt, stop={"max_tokens": 90, "ignore_eos": True})
    first = await anext(slow)
    await client.until(lambda: _paused(client))
    steps = client.engine.load.steps
    assert steps < 90
    assert (await client.ask(prompt, stop={"max_tokens": 20})).tokens == wanted[:20]
    # Only the other's steps were made, and none for the one that waits.
    assert client.engine.load.steps == steps + 20
    assert client.engine.load.running == 1
    tokens = [
        token for chunk in [first, *[chunk async for chunk in slow]] for token in chunk["token_ids"]
    ]
    assert tokens[: len(wanted)] == wanted
    assert len(tokens) == 90


async def test_who_is_paused_can_leave(client, prompt):
    slow = client.stream(prompt, stop=ENDLESS)
    await anext(slow)
    await client.until(lambda: _paused(client))
    await slow.aclose()
    await client.until(lambda: _free(client))


def _paused(client):
    return client.engine._loop._scheduler.paused
