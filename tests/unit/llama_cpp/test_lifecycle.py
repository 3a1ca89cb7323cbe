"""Start, failure and end of the engine."""

import asyncio
import threading

import pytest

from dynamo_backend_common import EngineConfig
from dynamo_backend_common.engines.llama_cpp import LlamaCpp, LlamaCppPooling
from dynamo_backend_common.engines.llama_cpp.binding.library import library
from dynamo_backend_common.engines.llama_cpp.binding.pooled_model import PooledModel
from dynamo_backend_common.engines.llama_cpp.pooling.batches import Batches
from dynamo_backend_common.engines.llama_cpp.steps.between import Work
from dynamo_backend_common.engines.llama_cpp.steps.scheduler import Scheduler
from dynamo_backend_common.exceptions import EngineShutdown, InvalidArgument
from dynamo_backend_common.testing import Steps, context
from support.tiny_gguf import write_tiny

ENDLESS = {"max_tokens": None, "ignore_eos": True}


def _step_threads():
    return [thread for thread in threading.enumerate() if thread.name == "llama-cpp-steps"]


async def test_start_says_what_the_context_really_is():
    engine = LlamaCpp(
        context_length=300, max_num_seqs=3, max_num_batched_tokens=64, prefill_chunk=32, threads=1
    )
    seen = []
    try:
        config = await engine.start(7, progress=lambda text, part=None: seen.append((text, part)))
    finally:
        await engine.cleanup()
    assert config == EngineConfig(
        model="SmolLM2-135M-Instruct",
        served_model_name="SmolLM2-135M-Instruct",
        context_length=512,
        kv_cache_block_size=16,
        total_kv_blocks=96,
        max_num_seqs=3,
        max_num_batched_tokens=64,
        max_gpu_lora_count=8,
    )
    assert {text for text, _ in seen} == {"loading SmolLM2-135M-Instruct"}
    parts = [part for _, part in seen]
    assert parts == sorted(parts)
    assert parts[-1] == pytest.approx(1.0)


async def test_a_context_longer_than_the_model_knows():
    engine = LlamaCpp(context_length=9000, max_num_seqs=1)
    with pytest.raises(InvalidArgument, match=r"context_length 9000 is more than the 8192 tokens"):
        await engine.start(1)
    await engine.cleanup()
    await engine.cleanup()


async def test_a_file_that_llama_cpp_cannot_load(tmp_path):
    path = write_tiny(tmp_path / "broken.gguf", vocab_size=300)
    path.write_bytes(path.read_bytes()[:-1000])
    engine = LlamaCpp(model_path=str(path))
    reason = r"llama\.cpp cannot load '.*broken\.gguf': .* not within the file bounds"
    with pytest.raises(InvalidArgument, match=reason):
        await engine.start(1)
    await engine.cleanup()


@pytest.mark.parametrize("option", ["model_path", "model_draft"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"llama.attention.causal": False}, r"other\.gguf': it reads a text and does not continue"),
        ({"general.type": "adapter"}, r"other\.gguf': it is no model by itself"),
    ],
)
async def test_a_file_of_another_kind_is_refused_before_any_is_loaded(
    tmp_path, option, values, message
):
    path = write_tiny(tmp_path / "other.gguf", vocab_size=300, values=values)
    # The card is of another folder, so that nothing else looks at the file.
    engine = LlamaCpp(**{option: str(path)})
    told = []
    with pytest.raises(InvalidArgument, match=message):
        await engine.start(1, progress=lambda text, part=None: told.append(text))
    await engine.cleanup()
    assert told == []


async def test_cleanup_before_start():
    engine = LlamaCpp()
    await engine.cleanup()
    with pytest.raises(EngineShutdown, match="not running"):
        await engine.generate({"token_ids": [1]}, None)
    with pytest.raises(EngineShutdown, match="not running"):
        await engine.watch()


async def test_cleanup_while_it_loads():
    engine = LlamaCpp(context_length=256, max_num_seqs=1, threads=1)
    loading = threading.Event()

    def progress(*_):
        loading.set()
        # So small a file could be loaded before the start is cancelled.
        engine._closing.wait()

    task = asyncio.create_task(engine.start(1, progress=progress))
    await asyncio.to_thread(loading.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await engine.cleanup()
    assert not _step_threads()


async def test_a_shutdown_ends_the_start_that_loads():
    engine = LlamaCpp(context_length=256, max_num_seqs=1, threads=1)
    shutdown, loop = asyncio.Event(), asyncio.get_running_loop()

    def progress(*_):
        loop.call_soon_threadsafe(shutdown.set)
        # llama.cpp asks no more once it has loaded all of so small a file.
        engine._closing.wait()

    await engine.start(1, progress=progress, shutdown=shutdown)
    with pytest.raises(EngineShutdown, match="not running"):
        await engine.generate({"token_ids": [1]}, None)
    assert not _step_threads()
    await engine.cleanup()


async def test_a_shutdown_after_the_start_leaves_requests_to_the_worker(bert):
    engine = LlamaCppPooling(model_path=str(bert), embeddings=True, threads=1)
    shutdown = asyncio.Event()
    await engine.start(1, shutdown=shutdown)
    shutdown.set()
    await asyncio.sleep(0.01)
    assert [chunk async for chunk in engine.generate({"input": "q"}, context())]
    await engine.cleanup()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_requests_that_cannot_be_told_hide_no_end(start_pooling, monkeypatch):
    def broken(self, error):
        raise RuntimeError("nobody listens")

    engine = await start_pooling()
    watching = asyncio.create_task(engine.watch())
    await asyncio.sleep(0)
    monkeypatch.setattr(Batches, "_tell", broken)
    await engine.cleanup()
    await asyncio.wait_for(watching, 10)


async def test_cleanup_while_the_start_gets_its_model(bert, monkeypatch):
    engine = LlamaCppPooling(model_path=str(bert), embeddings=True, threads=1)
    load, loaded = engine._load, threading.Event()

    def late(proceed):
        made = load(proceed)
        loaded.set()
        engine._closing.wait()
        return made

    monkeypatch.setattr(engine, "_load", late)
    starting = asyncio.create_task(engine.start(1))
    await asyncio.to_thread(loaded.wait)
    await engine.cleanup()
    await starting
    assert "llama-cpp-batches" not in {thread.name for thread in threading.enumerate()}


async def test_a_model_is_freed_once_though_who_frees_it_is_cancelled(start_pooling, monkeypatch):
    engine = await start_pooling()
    close, closes, freed = PooledModel.close, [], []
    begun, goes_on = threading.Event(), threading.Event()

    def noted(model):
        closes.append(model)
        close(model)

    def slow(name):
        free = getattr(library(), name)

        def freeing(handle):
            freed.append(name)
            if freed.count(name) == 1:
                begun.set()
                goes_on.wait()
                free(handle)

        return freeing

    names = ["llama_batch_free", "llama_free", "llama_model_free"]
    for name in names:
        monkeypatch.setattr(library(), name, slow(name))
    monkeypatch.setattr(PooledModel, "close", noted)
    falls_asleep = asyncio.create_task(engine.engine_control("sleep", {}))
    await asyncio.to_thread(begun.wait)
    falls_asleep.cancel()
    with pytest.raises(asyncio.CancelledError):
        await falls_asleep
    ends = asyncio.create_task(engine.cleanup())
    while len(closes) < 2:  # noqa: ASYNC110 (the state is another thread's)
        await asyncio.sleep(0.005)
    goes_on.set()
    await ends
    assert freed == names


async def test_the_watch_ends_with_the_engine_and_may_be_cancelled_before(client):
    cancelled = asyncio.create_task(client.engine.watch())
    watching = asyncio.create_task(client.engine.watch())
    await asyncio.sleep(0)
    cancelled.cancel()
    await client.engine.cleanup()
    await watching
    assert cancelled.cancelled()


async def test_cleanup_ends_running_requests(client, chat):
    task = asyncio.create_task(client.ask(chat("Write a long story."), stop=ENDLESS))
    await client.until(lambda: client.engine.load.running == 1)
    await asyncio.gather(client.engine.cleanup(), client.engine.cleanup())
    with pytest.raises(EngineShutdown, match="was shut down"):
        await task
    with pytest.raises(EngineShutdown, match="not running"):
        await client.ask([1])
    assert not _step_threads()


async def test_a_failed_step_fails_everybody(client, chat, monkeypatch):
    prompt = chat("Write a long story.")
    tasks = [asyncio.create_task(client.ask(prompt, stop=ENDLESS)) for _ in range(6)]
    await client.until(lambda: client.engine.load.waiting == 2)

    def broken(self, producing):
        raise RuntimeError("llama_decode answered -3")

    monkeypatch.setattr(Scheduler, "_produce", broken)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        assert isinstance(result, EngineShutdown)
        assert "RuntimeError: llama_decode answered -3" in str(result)
    with pytest.raises(EngineShutdown, match="failed and must be restarted"):
        await client.ask(prompt)
    with pytest.raises(EngineShutdown, match="RuntimeError: llama_decode answered -3"):
        await client.engine._loop.between_steps(Work(lambda _: None))
    with pytest.raises(RuntimeError, match="llama_decode answered -3"):
        await client.engine.watch()
    await client.engine.cleanup()
    with pytest.raises(EngineShutdown, match="RuntimeError: llama_decode answered -3"):
        await client.engine.engine_update("list_loras", {})
    assert not _step_threads()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_close_that_fails_hides_no_end(client, chat, monkeypatch):
    def broken(self, *_):
        raise RuntimeError("the model is gone")

    task = asyncio.create_task(client.ask(chat("Write a long story."), stop=ENDLESS))
    await client.until(lambda: client.engine.load.running == 1)
    never = Work(lambda _: None, when=lambda _: False)
    waiting = asyncio.create_task(client.engine._loop.between_steps(never))
    await asyncio.sleep(0)
    with monkeypatch.context() as patch:
        patch.setattr(Scheduler, "close", broken)
        patch.setattr(Scheduler, "_produce", broken)
        with pytest.raises(EngineShutdown, match="must be restarted"):
            await task
        with pytest.raises(RuntimeError, match="the model is gone"):
            await client.engine.watch()
        await client.engine.cleanup()
    with pytest.raises(EngineShutdown, match="must be restarted"):
        waiting.result()
    assert not _step_threads()


class _CountedSteps:
    """`Steps` that count the entries of each push, and the threads that push."""

    def __init__(self):
        self._steps = Steps()
        self.sizes, self.threads = [], set()

    def push(self, step):
        self.sizes.append(len(step))
        self.threads.add(threading.current_thread().name)
        return self._steps.push(step)

    def __len__(self):
        return len(self._steps)

    def __getattr__(self, name):
        return getattr(self._steps, name)


async def test_a_step_is_one_push_from_the_thread_of_the_steps(start, chat, monkeypatch):
    monkeypatch.setattr("dynamo_backend_common.engines.llama_cpp.engine.Steps", _CountedSteps)
    client, prompt = await start(max_num_seqs=4), chat("Write a long story.")
    await asyncio.gather(*(client.ask(prompt, stop=ENDLESS | {"max_tokens": 10}) for _ in range(4)))
    counted = client.engine._steps
    assert counted.threads == {"llama-cpp-steps"}
    assert sum(counted.sizes) == 4 * 10
    assert sum(size > 0 for size in counted.sizes) <= client.engine.load.steps


async def test_who_ended_in_the_step_that_failed_has_ended(client, chat, monkeypatch):
    read_prompts = Scheduler._read_prompts

    def broken(self, *arguments):
        yield from read_prompts(self, *arguments)
        if self.load.steps == 5:
            raise RuntimeError("llama_decode answered -3")

    monkeypatch.setattr(Scheduler, "_read_prompts", broken)
    output = await client.ask(chat("Write a long story."), stop=ENDLESS | {"max_tokens": 5})
    assert output.reason == "length"
    assert len(output.tokens) == 5


async def test_a_request_that_comes_after_the_failure_is_told_of_it(client, chat, monkeypatch):
    def broken(self, **report):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Scheduler, "step", broken)
    for _ in range(2):
        with pytest.raises(EngineShutdown, match=r"failed .*: RuntimeError: out of memory"):
            await client.ask(chat("Hello"))
    assert await client.engine.is_quiescent()


async def test_a_probe_is_answered(client):
    payload = await client.engine.health_check_payload()
    chunks = [chunk async for chunk in client.serve(payload)]
    assert len(chunks) == 1
    assert len(chunks[0]["token_ids"]) == 1
