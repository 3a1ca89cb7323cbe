"""Sampling, stopping and output options, as vLLM gets them."""

import copy
import json
from typing import Any

import pytest

from dynamo_backend_common.exceptions import InvalidArgument

ALL = 2**32 - 1


def with_defaults(config: Any, folder: Any = None, **defaults: Any) -> Any:
    """A configuration of a model that recommends ``defaults``, or of an operator who does."""
    changed = copy.deepcopy(config)
    if folder is None:
        changed.model_config.override_generation_config = defaults
        return changed
    (folder / "generation_config.json").write_text(json.dumps(defaults))
    changed.model_config.model = str(folder)
    changed.model_config.hf_config_path = None
    return changed


def test_nothing_asked_for_is_vllms_own_default(admit: Any) -> None:
    params = admit().sampling_params
    assert (params.temperature, params.top_p, params.top_k, params.min_p) == (1.0, 1.0, 0, 0.0)
    # Three of 256 are the prompt's.
    assert params.max_tokens == 253
    assert params.min_tokens == 0
    assert params.logprobs is None
    assert params.prompt_logprobs is None
    assert params.structured_outputs is None
    assert params.extra_args is None
    assert not params.detokenize
    assert params.output_kind.name == "DELTA"


def test_the_models_defaults_are_where_the_request_says_nothing(
    config: Any, read: Any, tmp_path: Any
) -> None:
    defaults = {"temperature": 0.7, "top_k": 20, "repetition_penalty": 1.1, "max_new_tokens": 9}
    recommended = with_defaults(config, tmp_path, **defaults)
    params = read(recommended, sampling_options={"top_k": 5, "temperature": None}).params
    assert (params.temperature, params.top_k, params.repetition_penalty) == (0.7, 5, 1.1)
    assert params.max_tokens == 9
    # What the model recommends is no limit.
    assert read(recommended, stop_conditions={"max_tokens": 64}).params.max_tokens == 64


def test_a_limit_of_the_operators_is_one(config: Any, read: Any) -> None:
    limited = with_defaults(config, max_new_tokens=9)
    assert read(limited).params.max_tokens == 9
    assert read(limited, stop_conditions={"max_tokens": 64}).params.max_tokens == 9
    assert read(limited, stop_conditions={"max_tokens": 4}).params.max_tokens == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.5),
        ("top_p", 0.9),
        ("top_k", 7),
        ("top_k", -1),
        ("min_p", 0.1),
        ("presence_penalty", -1.5),
        ("frequency_penalty", 1.5),
        ("repetition_penalty", 1.2),
        ("seed", 2**63 - 1),
        ("allowed_token_ids", [7, 8]),
        ("logprob_token_ids", [7, 8]),
        ("bad_words", ["w10", "w11"]),
        ("skip_reading_prefix_cache", True),
        ("include_stop_str_in_output", True),
    ],
)
def test_sampling_options(admit: Any, name: Any, value: Any) -> None:
    assert getattr(admit(sampling_options={name: value}).sampling_params, name) == value
    # What the frontend passes on unread.
    passed_on = admit(extra_args={"sampling_options": {name: value}}).sampling_params
    assert getattr(passed_on, name) == value


def test_greedy(admit: Any) -> None:
    options = {"temperature": 0.0, "top_k": 7, "top_p": 0.5}
    params = admit(sampling_options=options).sampling_params
    assert (params.temperature, params.top_k, params.top_p) == (0.0, 0, 1.0)


def test_logit_bias_has_openais_keys_and_limits(admit: Any) -> None:
    bias = {"7": 5, 8: -1000.0}
    assert admit(sampling_options={"logit_bias": bias}).sampling_params.logit_bias == {
        7: 5,
        8: -100.0,
    }


def test_bad_words_reach_vllm_as_tokens(admit: Any) -> None:
    words = [[7], [8, 9]]
    passed_on = {"sampling_options": {"bad_words_token_ids": words}}
    assert admit(extra_args=passed_on).sampling_params.bad_words_token_ids == words
    assert admit(sampling_options={"bad_words": ["w10"]}).sampling_params.bad_words_token_ids


def test_stop_tokens_of_every_kind_are_merged(admit: Any) -> None:
    stops = {
        "stop_token_ids": [9, 10],
        "stop_token_ids_visible": [11],
        "stop_token_ids_hidden": [10, 2],
        # The frontend's.
        "stop": ["\n"],
    }
    params = admit(stop_conditions=stops).sampling_params
    assert params.stop_token_ids == [9, 10, 11, 2]
    assert params.stop == []


def test_without_the_models_ends_the_requests_still_end_it(admit: Any) -> None:
    stops = {"ignore_eos": True, "stop_token_ids": [9], "stop_token_ids_hidden": [2]}
    params = admit(stop_conditions=stops).sampling_params
    assert params.ignore_eos
    assert params.stop_token_ids == [9]
    assert params.eos_token_id is None


def test_lengths(admit: Any) -> None:
    params = admit(stop_conditions={"max_tokens": 9, "min_tokens": 3}).sampling_params
    assert (params.max_tokens, params.min_tokens) == (9, 3)
    # What the context has no room for is no limit.
    assert admit(stop_conditions={"max_tokens": 2**32 - 1}).sampling_params.max_tokens == 253


@pytest.mark.parametrize(("asked", "told"), [(0, 0), (5, 5), (ALL, -1)])
@pytest.mark.parametrize("name", ["logprobs", "prompt_logprobs"])
def test_log_probabilities(read: Any, name: Any, asked: Any, told: Any) -> None:
    call = read(output_options={name: asked})
    assert getattr(call.params, name) == told
    assert call.by_socket is (name == "logprobs" and told != -1)
    assert call.logprobs == (told if name == "logprobs" else None)


def test_log_probabilities_of_chosen_tokens_take_the_place_of_the_likeliest(
    admit: Any, read: Any
) -> None:
    options = {"sampling_options": {"logprob_token_ids": [7, 8, 9]}}
    call = read(extra_args=options, output_options={"logprobs": 1})
    assert call.params.logprobs is None
    assert call.logprobs == 3
    admit(extra_args=options, output_options={"logprobs": 1})


@pytest.mark.parametrize(
    ("part", "given", "message"),
    [
        ("sampling_options", {"temperature": -1.0}, "temperature must be non-negative"),
        ("sampling_options", {"temperature": float("nan")}, "temperature must be a finite"),
        ("sampling_options", {"temperature": "hot"}, "temperature is 'hot'"),
        ("sampling_options", {"top_p": 0.0}, "top_p must be in"),
        ("sampling_options", {"top_k": -2}, "top_k must be"),
        ("sampling_options", {"top_k": 1.5}, "top_k is 1.5"),
        ("sampling_options", {"min_p": 2.0}, "min_p must be"),
        ("sampling_options", {"presence_penalty": 3.0}, "presence_penalty must be"),
        ("sampling_options", {"repetition_penalty": 0.0}, "repetition_penalty must be"),
        ("sampling_options", {"seed": 2**64}, "seed is"),
        ("sampling_options", {"logit_bias": {"x": 1}}, "logit_bias"),
        ("sampling_options", {"logit_bias": [7]}, r"logit_bias is \[7\]"),
        ("sampling_options", {"logit_bias": {"7": "much"}}, "str"),
        ("sampling_options", {"logit_bias": {"512": 1}}, "logit_bias"),
        ("sampling_options", {"allowed_token_ids": [512]}, "allowed_token_ids"),
        ("sampling_options", {"allowed_token_ids": ["x"]}, "allowed_token_ids is"),
        ("sampling_options", {"bad_words": [""]}, "bad_words"),
        ("sampling_options", {"bad_words": "w10"}, "bad_words is 'w10'"),
        ("sampling_options", {"bad_words": [5]}, r"bad_words is \[5\]"),
        ("sampling_options", {"bad_words_token_ids": [[512]]}, "bad_words_token_ids has"),
        ("sampling_options", {"bad_words_token_ids": [[]]}, "bad_words_token_ids has"),
        ("sampling_options", {"bad_words_token_ids": [[7]] * 129}, "bad_words_token_ids must"),
        ("sampling_options", {"skip_reading_prefix_cache": "yes"}, "skip_reading_prefix_cache"),
        ("sampling_options", {"warmth": 3}, "warmth is 3, which the vllm engine does not have"),
        ("stop_conditions", {"max_tokens": 0}, "max_tokens must be at least 1"),
        ("stop_conditions", {"max_tokens": 2, "min_tokens": 3}, "min_tokens must be"),
        ("stop_conditions", {"min_tokens": 300}, "min_tokens must be"),
        ("stop_conditions", {"max_tokens": 2**32 - 1, "min_tokens": 300}, "max_tokens=253"),
        ("stop_conditions", {"stop_token_ids": [512]}, "stop_token_ids"),
        ("stop_conditions", {"stop_token_ids_hidden": ["x"]}, "stop_token_ids_hidden is"),
        ("stop_conditions", {"max_thinking_tokens": 8}, "thinking_token_budget"),
        ("stop_conditions", {"max_thinking_tokens": "8"}, "max_thinking_tokens is '8'"),
        ("output_options", {"logprobs": 21}, "sample logprobs of 21"),
        ("output_options", {"prompt_logprobs": 21}, "prompt logprobs of 21"),
    ],
)
def test_wrong_values_are_refused(admit: Any, part: Any, given: Any, message: Any) -> None:
    with pytest.raises(InvalidArgument, match=message):
        admit(**{part: given})


@pytest.mark.parametrize(
    "options",
    [{"warmth": None}, {"tags": []}, {"detokenize": False}, {"bad_words_token_ids": []}],
)
def test_what_asks_for_nothing_is_taken(admit: Any, options: Any) -> None:
    admit(extra_args={"sampling_options": options})
