"""Greedy output is llama-cpp-python's own, token by token."""

import asyncio

QUESTIONS = (
    "What is the capital of France?",
    "Write a haiku about the sea.",
    "Count from one to ten.",
    "Explain in two sentences why the sky is blue, and why it is red in the evening.",
)


async def test_one_request(client, chat, greedy):
    prompt = chat(QUESTIONS[0])
    output = await client.ask(prompt, stop={"max_tokens": 48})
    assert output.tokens == greedy(prompt, 48)
    assert output.reason == "eos"


async def test_four_at_once(client, chat, greedy):
    prompts = [chat(question) for question in QUESTIONS]
    outputs = await asyncio.gather(
        *(client.ask(prompt, stop={"max_tokens": 40}) for prompt in prompts)
    )
    assert [output.tokens for output in outputs] == [greedy(prompt, 40) for prompt in prompts]


async def test_requests_that_join_while_others_run(client, chat, greedy):
    prompts = [chat(question) for question in QUESTIONS]

    async def later(prompt: list[int], steps: int) -> list[int]:
        await client.until(lambda: client.engine.load.steps >= steps)
        return (await client.ask(prompt, stop={"max_tokens": 32})).tokens

    found = await asyncio.gather(
        *(later(prompt, steps) for prompt, steps in zip(prompts, (0, 4, 5, 11), strict=True))
    )
    assert found == [greedy(prompt, 32) for prompt in prompts]


async def test_a_prompt_in_many_pieces(start, chat, greedy):
    client = await start(max_num_seqs=1, prefill_chunk=16, ubatch_size=16)
    prompt = chat("Repeat the last word. " + "one two three four five " * 40)
    assert len(prompt) > 10 * 16
    output = await client.ask(prompt, stop={"max_tokens": 16})
    assert output.tokens == greedy(prompt, 16)


async def test_more_requests_than_slots(client, chat, greedy):
    prompt = chat(QUESTIONS[2])
    outputs = await asyncio.gather(
        *(client.ask(prompt, stop={"max_tokens": 12}) for _ in range(11))
    )
    expected = greedy(prompt, 12)
    assert all(output.tokens == expected for output in outputs)


async def test_usage_is_on_the_first_and_the_terminal_chunk(client, chat):
    prompt = chat(QUESTIONS[1])
    output = await client.ask(prompt, stop={"max_tokens": 5})
    first, last = output.chunks[0]["completion_usage"], output.chunks[-1]["completion_usage"]
    assert all("completion_usage" not in chunk for chunk in output.chunks[1:-1])
    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    assert last.pop("prompt_tokens_details")["cached_tokens"] == 0
    assert last == {
        "prompt_tokens": len(prompt),
        "completion_tokens": 5,
        "total_tokens": len(prompt) + 5,
    }
