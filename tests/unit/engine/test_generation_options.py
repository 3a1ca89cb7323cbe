"""How a request wants its output made, read and checked."""

from typing import Any

import pytest

from dynamo_backend_common import (
    GenerationOptions,
    InvalidArgument,
    Unsupported,
    sampling_options,
)
from dynamo_backend_common.testing import request


def read(asked: dict[str, Any] | None = None, **more: Any) -> GenerationOptions:
    made = request([1, 2], **(asked or {}))
    return GenerationOptions.read(made, **{"context_length": 10, "vocab_size": 100, **more})


def test_what_is_left_out_has_a_default() -> None:
    options = GenerationOptions.read({"token_ids": [1, 2]}, context_length=10, vocab_size=100)
    assert (options.temperature, options.top_p, options.top_k, options.min_p) == (1, 1, 0, 0)
    assert options.repetition_penalty == 1
    assert (options.presence_penalty, options.frequency_penalty) == (0, 0)
    assert (options.max_tokens, options.min_tokens) == (8, 0)
    assert (options.seed, options.logprobs, dict(options.ends)) == (None, None, {})


def test_a_models_defaults_give_way_to_the_request() -> None:
    asked = {"sampling_options": {"top_k": None, "temperature": 0.5}}
    options = read(asked, defaults={"top_k": 40, "temperature": 0.7})
    assert (options.top_k, options.temperature) == (40, 0.5)


@pytest.mark.parametrize(("asked", "gets"), [(3, 3), (9, 8), (0, 0)])
def test_no_more_is_made_than_fits_the_context(asked: int, gets: int) -> None:
    assert read({"stop_conditions": {"max_tokens": asked}}).max_tokens == gets


def test_a_token_ends_the_output_by_the_reason_that_it_stands_for() -> None:
    stops = {"stop_token_ids": [3], "stop_token_ids_visible": [4], "stop_token_ids_hidden": [5, 6]}
    options = read({"stop_conditions": stops, "eos_token_ids": [6]}, end_tokens={7})
    assert options.ends == {3: "stop", 4: "stop", 5: "stop", 6: "eos", 7: "eos"}
    assert options.asked_ends == {3}
    assert options.visible_ends == {4}
    ignoring = {"stop_conditions": stops | {"ignore_eos": True}, "eos_token_ids": [6]}
    assert set(read(ignoring, end_tokens={7}).ends) == {3, 4, 5}


@pytest.mark.parametrize(
    ("part", "name", "value", "said"),
    [
        ("sampling_options", "temperature", -1, "temperature is -1; it must be 0 or more"),
        ("sampling_options", "top_p", 2, "top_p is 2; it must be 0 to 1"),
        ("sampling_options", "top_k", 0.5, "top_k is 0.5; it must be an integer of -1 or more"),
        ("sampling_options", "seed", "x", "seed is 'x'; it must be an integer"),
        ("sampling_options", "guided_decoding", {"json": 5}, "guided_decoding.json is 5; it"),
        ("stop_conditions", "max_tokens", -1, "max_tokens is -1; it must be an integer of 0"),
        ("stop_conditions", "stop_token_ids", [100], "stop token 100 is not in the vocabulary"),
        ("output_options", "logprobs", -2, "logprobs is -2; it must be an integer of 0 or more"),
    ],
)
def test_a_value_that_cannot_be_is_named(part: str, name: str, value: Any, said: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        read({part: {name: value}})
    assert str(raised.value).startswith(said)


def test_what_a_frontend_passes_on_unread_is_among_the_sampling_options() -> None:
    bias = {"7": 2, 8: -100.0}
    passed_on = {"sampling_options": {"logit_bias": bias, "top_k": None}}
    asked = {"token_ids": [1], "sampling_options": {"top_k": 5}, "extra_args": passed_on}
    assert sampling_options(asked) == {"top_k": 5, "logit_bias": bias}
    assert sampling_options({}) == {}
    options = GenerationOptions.read(asked, context_length=10, vocab_size=100)
    assert (options.top_k, dict(options.logit_bias)) == (5, {7: 2.0, 8: -100.0})


@pytest.mark.parametrize(
    ("bias", "said"),
    [
        ({"x": 1}, "logit_bias has 'x', which is no token: tokens are 0 to 99"),
        ({"100": 1}, "logit_bias has '100', which is no token"),
        ({"9" * 5000: 1}, "logit_bias has '9999"),
        ({"5": "x"}, "logit_bias of 5 is 'x'; it must be a finite number"),
        ({"5": 200}, "logit_bias of 5 is 200; it must be -100 to 100"),
        ([5], "logit_bias is [5]; it must be an object, by token"),
    ],
)
def test_a_bias_is_for_tokens_and_within_limits(bias: Any, said: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        read({"extra_args": {"sampling_options": {"logit_bias": bias}}})
    assert str(raised.value).startswith(said)


def test_a_constraint_is_among_the_options() -> None:
    guided = read({"sampling_options": {"guided_decoding": {"regex": "a+"}}}).guided_decoding
    assert guided is not None
    assert (guided.kind, guided.value) == ("regex", "a+")
    assert read().guided_decoding is None


def test_what_an_engine_does_not_have_is_refused_by_its_name() -> None:
    unsupported = Unsupported("mine", {"sampling_options": {"n": (1,)}})
    unsupported.refuse_in(request([1], sampling_options={"n": 1}))
    with pytest.raises(InvalidArgument, match="n is 2, which the mine engine does not have"):
        unsupported.refuse_in(request([1], sampling_options={"n": 2}))
