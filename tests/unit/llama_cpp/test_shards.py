"""A model in several files is loaded whole, whichever of them is named."""

from support.gguf_shards import split


async def test_a_model_in_shards_is_the_same_model(start, model_file, tmp_path, chat, greedy):
    shards = split(model_file.path, tmp_path, "SmolLM2-Q4_1", 3)
    client = await start(model_path=str(shards[1]), max_num_seqs=1)
    prompt = chat("What is the capital of France?")
    assert (await client.ask(prompt, stop={"max_tokens": 12})).tokens == greedy(prompt, 12)
    assert client.engine._source.name == "SmolLM2"
