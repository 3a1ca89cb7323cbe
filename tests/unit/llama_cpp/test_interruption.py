"""The end of an engine does not wait for the end of a step."""

import asyncio
import threading

import pytest

from dynamo_backend_common.engines.llama_cpp import Options
from dynamo_backend_common.engines.llama_cpp.binding.model import Interrupted, Model
from dynamo_backend_common.exceptions import EngineShutdown

LENGTH = 1024


def test_a_batch_is_given_up_in_its_middle(model_file):
    options = Options(
        context_length=LENGTH, max_num_seqs=1, max_num_batched_tokens=LENGTH, threads=1
    )
    model = Model(model_file.path, options)
    raised = []

    def decode():
        for position in range(LENGTH):
            model.add(7, position, 0, sample=False)
        begins.set()
        try:
            model.decode()
        except Interrupted as error:
            raised.append(error)

    begins, thread = threading.Event(), threading.Thread(target=decode)
    thread.start()
    begins.wait()
    model.interrupt()
    thread.join()
    model.close()
    assert raised


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
