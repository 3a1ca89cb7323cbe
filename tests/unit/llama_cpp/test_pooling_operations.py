"""What operators do with the engine of vectors, and see of it: sleep, wake up, metrics."""

import asyncio
import re
import threading

import pytest

from dynamo_backend_common.engines.llama_cpp.binding.pooled_model import PooledModel
from dynamo_backend_common.exceptions import EngineShutdown
from dynamo_backend_common.testing import context

# With the two tokens around them.
TEXTS = {"the cat sat": 5, "q": 3}


async def _embed(engine, *texts):
    request = {"model": "m", "input": list(texts)}
    [answer] = [chunk async for chunk in engine.generate(request, context())]
    return [each["embedding"] for each in answer["data"]]


def _read(text):
    """The values by name."""
    found = re.findall(r'^llamacpp:(\w+)\{model="a \\"model\\""\} (\S+)$', text, re.MULTILINE)
    return {name: float(value) for name, value in found}


async def test_it_sleeps_and_wakes_up(start_pooling):
    engine = await start_pooling()
    watching = asyncio.create_task(engine.watch())
    expected, slept = await _embed(engine, *TEXTS), engine._loaded
    control = engine.engine_control
    assert await engine.supported_controls() == ["is_sleeping", "sleep", "wake_up"]
    assert (await control("sleep", {}))["is_sleeping"] is True
    # Its memory is given back.
    assert (slept._context, slept._model) == (None, None)
    with pytest.raises(EngineShutdown, match="not running"):
        await _embed(engine, "q")
    assert (await control("wake_up", {}))["is_sleeping"] is False
    assert await _embed(engine, *TEXTS) == expected
    assert not watching.done()
    await control("sleep", {})
    await engine.cleanup()
    await watching


async def test_who_is_served_when_it_falls_asleep_is_told(start_pooling, monkeypatch):
    engine = await start_pooling()
    read, begun, goes_on = engine._read, threading.Event(), threading.Event()

    def slowly(request, model):
        begun.set()
        goes_on.wait()
        # It is still there.
        assert model._model is not None
        return read(request, model)

    monkeypatch.setattr(engine, "_read", slowly)
    asking = asyncio.create_task(_embed(engine, "q"))
    await asyncio.to_thread(begun.wait)
    falls_asleep = asyncio.create_task(engine.engine_control("sleep", {}))
    while not engine._loop._is_ending:  # noqa: ASYNC110 (the state is another thread's)
        await asyncio.sleep(0.005)
    goes_on.set()
    with pytest.raises(EngineShutdown, match="was shut down"):
        await asking
    assert (await falls_asleep)["is_sleeping"] is True


async def test_metrics_count_texts(start_pooling, metrics_context):
    engine, registered = await start_pooling(), []
    assert await engine.setup_metrics(metrics_context(registered)) is None
    (text,) = registered
    assert set(_read(text()).values()) == {0.0}
    await _embed(engine, *TEXTS)
    await engine.engine_control("sleep", {})
    await engine.engine_control("wake_up", {})
    await _embed(engine, "q")
    seen = _read(text())
    assert seen.pop("prompt_seconds_total") > 0
    assert seen == {
        "prompt_tokens_total": sum(TEXTS.values()) + TEXTS["q"],
        "n_decode_total": 2,
        "requests_processing": 0,
        "requests_deferred": 0,
    }


async def test_metrics_tell_who_runs_and_who_waits(start_pooling, metrics_context, monkeypatch):
    engine, registered = await start_pooling(max_num_seqs=2), []
    await engine.setup_metrics(metrics_context(registered))
    vectors, begun, goes_on = PooledModel.vectors, threading.Event(), threading.Event()

    def slowly(model, texts):
        begun.set()
        goes_on.wait()
        return vectors(model, texts)

    def shown():
        seen = _read(registered[0]())
        return seen["requests_processing"], seen["requests_deferred"]

    monkeypatch.setattr(PooledModel, "vectors", slowly)
    asking = [asyncio.create_task(_embed(engine, *TEXTS))]
    await asyncio.to_thread(begun.wait)
    asking += [asyncio.create_task(_embed(engine, "q")) for _ in range(3)]
    while shown() != (1, 3):  # noqa: ASYNC110 (the state is another thread's)
        await asyncio.sleep(0.005)
    goes_on.set()
    await asyncio.gather(*asking)
    assert shown() == (0, 0)
