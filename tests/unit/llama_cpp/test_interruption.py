"""The end of an engine does not wait for the end of a step."""

import asyncio
import threading

import pytest

from dynamo_backend_common.engines.llama_cpp import Options
from dynamo_backend_common.engines.llama_cpp.binding.model import Interrupted, Model
from dynamo_backend_common.engines.llama_cpp.binding.pooled_model import PooledModel
from dynamo_backend_common.engines.llama_cpp.pooling.engine import LlamaCppPooling
from dynamo_backend_common.exceptions import EngineShutdown

LENGTH = 1024


def _decode(model):
    for position in range(LENGTH):
        model.add(7, position, 0, sample=False)
    model.decode()


def _vectors(model):
    model.vectors([[7] * LENGTH])


@pytest.mark.parametrize(
    ("kind", "compute", "more"),
    [(Model, _decode, {}), (PooledModel, _vectors, {"embeddings": True, "pooling": "mean"})],
    ids=["tokens", "vectors"],
)
def test_a_batch_is_given_up_in_its_middle(model_file, kind, compute, more):
    options = Options(
        context_length=LENGTH, max_num_seqs=1, max_num_batched_tokens=LENGTH, threads=1, **more
    )
    model = kind(model_file.path, options)
    raised = []

    def run():
        begins.set()
        try:
            compute(model)
        except Interrupted as error:
            raised.append(error)

    begins, thread = threading.Event(), threading.Thread(target=run)
    thread.start()
    begins.wait()
    model.interrupt()
    thread.join()
    model.close()
    assert raised


async def test_texts_are_given_up_too(model_file):
    options = {"embeddings": True, "pooling": "mean", "context_length": LENGTH, "threads": 1}
    engine = LlamaCppPooling(max_num_seqs=1, max_num_batched_tokens=LENGTH, **options)
    await engine.start(1)
    watching = asyncio.create_task(engine.watch())
    texts = engine._loop.submit([[7] * LENGTH] * 50)
    await asyncio.sleep(0)
    await engine.cleanup()
    with pytest.raises(EngineShutdown, match="the llama-cpp engine was shut down"):
        texts.outcome.result()
    # It is no failure.
    await watching


async def test_the_end_comes_in_the_middle_of_a_long_prompt(start, tokenize, monkeypatch):
    client = await start(context_length=4096, max_num_seqs=1, prefill_chunk=500)
    decode, begins, raised = Model.decode, asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def seen(model):
        loop.call_soon_threadsafe(begins.set)
        try:
            decode(model)
        except Interrupted as error:
            raised.append(error)
            raise

    monkeypatch.setattr(Model, "decode", seen)
    asking = asyncio.create_task(client.ask(tokenize("word " * 4000)))
    await begins.wait()
    await client.engine.cleanup()
    with pytest.raises(EngineShutdown, match="the llama-cpp engine was shut down"):
        await asking
    assert raised
