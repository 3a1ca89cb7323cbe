"""Sleep and wake_up: the memory is given back, and the engine is the same afterwards."""

import asyncio
import re
from pathlib import Path

import pytest

from dynamo_backend_common.engines.llama_cpp.binding.model import Model
from dynamo_backend_common.engines.llama_cpp.steps.scheduler import Scheduler
from dynamo_backend_common.exceptions import EngineShutdown, InvalidArgument, Unknown

AWAKE = {"status": "ok", "is_sleeping": False}
ASLEEP = {"status": "ok", "is_sleeping": True}


def _resident_bytes():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


async def test_weights_and_cache_are_given_back_and_come_again(start, chat, greedy, model_file):
    client = await start(max_num_seqs=4, context_length=2048)
    prompt = chat("What is the capital of France?")
    expected = greedy(prompt, 12)
    assert (await client.ask(prompt, stop={"max_tokens": 12})).tokens == expected
    control, before = client.engine.engine_control, _resident_bytes()
    assert await control("is_sleeping", {}) == AWAKE
    assert await control("sleep", {}) == ASLEEP | {"level": 1}
    assert await control("is_sleeping", {}) == ASLEEP
    # The weights, and of the cache's 180 MB what was not zero.
    assert before - _resident_bytes() > model_file.path.stat().st_size / 2
    assert await client.engine.is_quiescent()
    with pytest.raises(EngineShutdown, match="not running"):
        await client.ask(prompt)
    assert await control("wake_up", {}) == AWAKE
    output = await client.ask(prompt, stop={"max_tokens": 12})
    assert output.tokens == expected
    # Nothing of the cache was kept.
    usage = output.chunks[-1]["completion_usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0


async def test_each_of_them_may_come_twice(start, chat):
    client = await start(max_num_seqs=1, context_length=256)
    control = client.engine.engine_control
    for level in (1, 2):
        assert await control("sleep", {"level": level}) == ASLEEP | {"level": level}
    assert await control("wake_up", {}) == AWAKE
    loaded = client.engine._loaded
    assert await control("wake_up", {}) == AWAKE
    assert client.engine._loaded is loaded
    assert (await client.ask(chat("Hello"), stop={"max_tokens": 1})).reason == "length"


async def test_the_watch_outlives_a_sleep_and_hears_of_a_later_failure(start, chat, monkeypatch):
    client = await start(max_num_seqs=1, context_length=256)
    watching = asyncio.create_task(client.engine.watch())
    await asyncio.sleep(0)
    await client.engine.engine_control("sleep", {})
    await client.engine.engine_control("wake_up", {})
    assert not watching.done()

    def broken(self, **report):
        raise RuntimeError("llama_decode answered -3")

    monkeypatch.setattr(Scheduler, "step", broken)
    with pytest.raises(EngineShutdown):
        await client.ask(chat("Hello"))
    with pytest.raises(RuntimeError, match="llama_decode answered -3"):
        await watching


async def test_the_end_of_an_engine_that_sleeps(start):
    client = await start(max_num_seqs=1, context_length=256)
    watching = asyncio.create_task(client.engine.watch())
    await asyncio.sleep(0)
    await client.engine.engine_control("sleep", {})
    await client.engine.cleanup()
    await watching
    with pytest.raises(EngineShutdown, match="not running"):
        await client.engine.engine_control("wake_up", {})


async def test_the_end_of_an_engine_that_wakes_up(start, monkeypatch):
    client = await start(max_num_seqs=1, context_length=256)
    engine, loads = client.engine, asyncio.Event()
    await engine.engine_control("sleep", {})
    loop, proceed = asyncio.get_running_loop(), engine._proceed

    def seen(*what):
        loop.call_soon_threadsafe(loads.set)
        # Until the end has begun.
        while proceed(*what):
            pass
        return False

    monkeypatch.setattr(engine, "_proceed", seen)
    waking = asyncio.create_task(engine.engine_control("wake_up", {}))
    await loads.wait()
    await engine.cleanup()
    with pytest.raises(EngineShutdown, match="not running"):
        await waking


async def test_what_cannot_be_loaded_again_leaves_it_asleep(start, chat, monkeypatch):
    client = await start(max_num_seqs=1, context_length=256)
    control = client.engine.engine_control
    await control("sleep", {})
    with monkeypatch.context() as patch:
        patch.setattr(
            "dynamo_backend_common.engines.llama_cpp.loaded.Model",
            lambda *_: (_ for _ in ()).throw(Unknown("no memory")),
        )
        with pytest.raises(Unknown, match="no memory"):
            await control("wake_up", {})
    assert await control("is_sleeping", {}) == ASLEEP
    assert await control("wake_up", {}) == AWAKE
    assert (await client.ask(chat("Hello"), stop={"max_tokens": 1})).reason == "length"


async def test_a_wake_up_that_is_cancelled_leaves_no_model(start, chat, monkeypatch):
    made = []

    class Noted(Model):
        def __init__(self, *arguments):
            made.append(self)
            super().__init__(*arguments)

    client = await start(max_num_seqs=1, context_length=256)
    control = client.engine.engine_control
    await control("sleep", {})
    monkeypatch.setattr("dynamo_backend_common.engines.llama_cpp.loaded.Model", Noted)
    waking = asyncio.create_task(control("wake_up", {}))
    await client.until(lambda: made)
    waking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waking
    assert await control("wake_up", {}) == AWAKE
    assert [model._model is None for model in made] == [True, False]
    assert (await client.ask(chat("Hello"), stop={"max_tokens": 1})).reason == "length"


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("sleep", {"level": 0}, "sleep: level is 0; accepted: 1 or 2"),
        ("sleep", {"level": True}, "sleep: level is True"),
        ("sleep", {"levels": 1}, "sleep: 'levels' is not known; accepted: level"),
        ("wake_up", {"tags": ["weights"]}, "wake_up: 'tags' is not known; accepted: an empty body"),
        ("is_sleeping", {"x": 1}, "is_sleeping: 'x' is not known"),
    ],
)
async def test_a_wrong_body_changes_nothing(client, name, body, message):
    assert name in await client.engine.supported_controls()
    with pytest.raises(InvalidArgument) as caught:
        await client.engine.validate_engine_control(name, body)
    assert str(caught.value).startswith(message)
    with pytest.raises(InvalidArgument):
        await client.engine.engine_control(name, body)
    assert await client.engine.engine_control("is_sleeping", {}) == AWAKE


async def test_there_is_no_other_control(client):
    with pytest.raises(InvalidArgument, match="has no control 'snore'; it has is_sleeping, sleep,"):
        await client.engine.engine_control("snore", {})
