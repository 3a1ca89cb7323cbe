"""Outputs that are held to lists of tokens, which the frontend passes on unread."""

import pytest

from dynamo_backend_common.exceptions import InvalidArgument

QUESTION = "What is the capital of France?"


async def _ask(client, prompt, count=6, sampling=None, stop=None, **lists):
    stop = {"max_tokens": count} | (stop or {})
    extra_args = {"sampling_options": lists}
    return await client.ask(prompt, sampling=sampling, stop=stop, extra_args=extra_args)


async def test_only_what_is_allowed_comes(client, chat, greedy):
    prompt = chat(QUESTION)
    hot = {"temperature": 2.0, "seed": 1}
    output = await _ask(client, prompt, 12, sampling=hot, allowed_token_ids=[504, 505])
    assert set(output.tokens) == {504, 505}
    usual = greedy(prompt, 4)
    assert (await _ask(client, prompt, 4, allowed_token_ids=usual)).tokens == usual


async def test_where_nothing_is_allowed_the_output_ends(client, chat):
    output = await _ask(client, chat(QUESTION), stop={"min_tokens": 3}, allowed_token_ids=[2])
    assert (output.tokens, output.reason) == ([], "stop")


async def test_a_bad_word_does_not_come_and_its_beginning_does(client, chat, greedy):
    prompt = chat(QUESTION)
    usual = greedy(prompt, 4)
    output = await _ask(client, prompt, 4, bad_words_token_ids=[usual[1:3], [1]])
    assert output.tokens[:2] == usual[:2]
    assert output.tokens[2] != usual[2]
    assert (await _ask(client, prompt, 1, bad_words_token_ids=[usual[:1]])).tokens != usual[:1]


async def test_no_bad_words_are_none(client, chat, greedy):
    prompt = chat(QUESTION)
    output = await _ask(client, prompt, 3, bad_words_token_ids=[], allowed_token_ids=None)
    assert output.tokens == greedy(prompt, 3)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"allowed_token_ids": [49152]}, "allowed_token_ids has 49152; tokens are 0 to 49151"),
        ({"allowed_token_ids": 5}, "allowed_token_ids has 5; it must be a list of tokens"),
        ({"allowed_token_ids": []}, "allowed_token_ids is empty, so that no token could come"),
        ({"allowed_token_ids": 0}, "allowed_token_ids has 0; it must be a list of tokens"),
        ({"bad_words_token_ids": ""}, "a list of 128 words at most"),
        ({"bad_words_token_ids": [0]}, "bad_words_token_ids has 0; it must be a list of tokens"),
        ({"bad_words_token_ids": [["x"]]}, "bad_words_token_ids has 'x'; tokens are"),
        ({"bad_words_token_ids": [[]]}, "a word that is not of 1 to 64 tokens"),
        ({"bad_words_token_ids": [[1]] * 129}, "a list of 128 words at most"),
    ],
)
async def test_wrong_lists_are_named(client, chat, lists, message):
    with pytest.raises(InvalidArgument) as caught:
        await _ask(client, chat(QUESTION), **lists)
    assert message in str(caught.value)
