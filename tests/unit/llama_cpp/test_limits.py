"""Where an output ends, and which prompts are refused."""

import pytest

from dynamo_backend_common.exceptions import InvalidArgument

EOS = 2
QUESTION = "What is the capital of France?"


async def test_max_tokens(client, chat, greedy):
    prompt = chat(QUESTION)
    output = await client.ask(prompt, stop={"max_tokens": 3})
    assert output.tokens == greedy(prompt, 3)
    assert output.reason == "length"


async def test_no_tokens_at_all(client, chat):
    output = await client.ask(chat(QUESTION), stop={"max_tokens": 0})
    assert output.tokens == []
    assert output.reason == "length"
    assert output.chunks[-1]["completion_usage"]["completion_tokens"] == 0


async def test_the_models_own_end(client, chat, greedy):
    prompt = chat(QUESTION)
    output = await client.ask(prompt, stop={"max_tokens": None})
    assert output.reason == "eos"
    assert output.tokens == greedy(prompt, 100)
    assert EOS not in output.tokens
    assert "stop_reason" not in output.chunks[-1]


async def test_an_end_of_the_request(client, chat, greedy):
    prompt = chat(QUESTION)
    expected = greedy(prompt, 10)
    output = await client.ask(prompt, eos_token_ids=[expected[4]])
    assert output.tokens == expected[:4]
    assert output.reason == "eos"


@pytest.mark.parametrize("key", ["stop_token_ids", "stop_token_ids_hidden"])
async def test_stop_tokens_are_no_part_of_the_output(client, chat, greedy, key):
    prompt = chat(QUESTION)
    expected = greedy(prompt, 10)
    output = await client.ask(prompt, stop={key: [expected[4]]})
    assert output.tokens == expected[:4]
    assert output.reason == "stop"
    assert output.chunks[-1]["completion_usage"]["completion_tokens"] == 4
    if key == "stop_token_ids":
        assert output.chunks[-1]["stop_reason"] == expected[4]


async def test_visible_stop_tokens_are(client, chat, greedy):
    prompt = chat(QUESTION)
    expected = greedy(prompt, 10)
    output = await client.ask(prompt, stop={"stop_token_ids_visible": [expected[4]]})
    assert output.tokens == expected[:5]
    assert output.reason == "stop"


async def test_stop_tokens_are_kept_where_the_frontend_says_so(client, chat):
    output = await client.ask(chat(QUESTION), output={"no_stop_trim": True})
    assert output.reason == "eos"
    assert output.tokens[-1] == EOS


async def test_min_tokens_holds_off_the_end(client, chat, greedy):
    prompt = chat(QUESTION)
    short = greedy(prompt, 100)
    wanted = len(short) + 6
    output = await client.ask(prompt, stop={"max_tokens": 60, "min_tokens": wanted})
    assert output.tokens[: len(short)] == short
    assert len(output.tokens) >= wanted
    assert EOS not in output.tokens


async def test_min_tokens_holds_off_stop_tokens_too(client, chat, greedy):
    prompt = chat(QUESTION)
    expected = greedy(prompt, 10)
    output = await client.ask(
        prompt, stop={"max_tokens": 6, "min_tokens": 6, "stop_token_ids": [expected[2]]}
    )
    assert output.tokens[:2] == expected[:2]
    assert len(output.tokens) == 6
    assert expected[2] not in output.tokens


async def test_ignore_eos_goes_on(client, chat, greedy):
    prompt = chat(QUESTION)
    short = greedy(prompt, 100)
    output = await client.ask(
        prompt,
        stop={"max_tokens": len(short) + 8, "ignore_eos": True, "stop_token_ids_hidden": [EOS]},
        eos_token_ids=[EOS],
    )
    assert output.reason == "length"
    assert output.tokens[: len(short) + 1] == [*short, EOS]
    assert len(output.tokens) == len(short) + 8


async def test_ignore_eos_leaves_the_callers_stop_tokens(client, chat, greedy):
    prompt = chat(QUESTION)
    expected = greedy(prompt, 10)
    output = await client.ask(prompt, stop={"ignore_eos": True, "stop_token_ids": [expected[3]]})
    assert output.tokens == expected[:3]


async def test_the_context_ends_the_output(client, tokenize):
    prompt = tokenize("word " * 600)[:500]
    output = await client.ask(prompt, stop={"max_tokens": None, "ignore_eos": True})
    assert output.reason == "length"
    assert output.chunks[-1]["completion_usage"]["total_tokens"] == 512


async def test_a_full_context_gives_one_token(client, tokenize):
    prompt = tokenize("word " * 600)[:512]
    output = await client.ask(prompt, stop={"max_tokens": None, "ignore_eos": True})
    assert output.reason == "length"
    assert len(output.tokens) == 1


async def test_a_prompt_longer_than_the_context(client, tokenize):
    prompt = tokenize("word " * 600)[:513]
    with pytest.raises(InvalidArgument, match=r"prompt has 513 tokens, the context 512"):
        await client.ask(prompt)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([], "the prompt is empty"),
        (None, "token_ids is NoneType; it must be a list of int"),
        ([1, 49152], "token_ids has 49152; tokens are 0 to 49151"),
        ([-1], "token_ids has -1"),
        (["a"], "token_ids has 'a'"),
    ],
)
async def test_wrong_prompts_are_named(client, prompt, message):
    assert message in await client.refusal(token_ids=prompt)


@pytest.mark.parametrize(
    ("stop", "message"),
    [
        ({"max_tokens": -1}, "max_tokens is -1; it must be an integer of 0 or more"),
        ({"min_tokens": 1.5}, "min_tokens is 1.5"),
        ({"stop_token_ids": [49152]}, "stop token 49152 is not in the vocabulary"),
    ],
)
async def test_wrong_conditions_are_named(client, stop, message):
    assert message in await client.refusal(stop_conditions=stop)
    assert await client.engine.is_quiescent()
