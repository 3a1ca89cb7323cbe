"""Prompts, read and checked."""

from typing import Any

import pytest

from dynamo_backend_common import InvalidArgument, Prompt


def test_a_prompt_has_tokens_and_perhaps_a_salt() -> None:
    prompt = Prompt.read({"token_ids": range(3)}, vocab_size=3, context_length=3)
    assert (prompt.token_ids, prompt.cache_salt) == ((0, 1, 2), None)
    for more in ({"routing": {"cache_salt": "s"}}, {"extra_args": {"nvext": {"cache_salt": "s"}}}):
        assert Prompt.read({"token_ids": [1], **more}, vocab_size=3).cache_salt == "s"
    empty = {"token_ids": [1], "routing": {"cache_salt": ""}}
    assert Prompt.read(empty, vocab_size=3).cache_salt is None


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "token_ids is NoneType; it must be a list of int"),
        ({"token_ids": "ab"}, "token_ids is str; it must be a list of int"),
        ({"token_ids": []}, "the prompt is empty"),
        ({"token_ids": [1, 1, 1]}, "the prompt has 3 tokens, the context 2"),
        ({"token_ids": [5]}, "token_ids has 5; tokens are 0 to 4"),
        ({"token_ids": [True]}, "token_ids has True"),
        ({"token_ids": [1.0]}, "token_ids has 1.0"),
        ({"token_ids": [1], "routing": {"cache_salt": 5}}, "cache_salt is 5; it must be a text"),
    ],
)
def test_what_is_no_prompt_is_named(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Prompt.read(request_, vocab_size=5, context_length=2)
    assert str(caught.value).startswith(message)
