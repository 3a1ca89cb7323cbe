"""Everything of a request that is no option of sampling."""

import copy
from typing import Any

import pytest
from vllm.config import KVTransferConfig

from dynamo_backend_common import HEALTH_CHECK_KEY
from dynamo_backend_common.exceptions import InvalidArgument

EXAMPLE = {"kv_connector": "ExampleConnector", "kv_role": "kv_both"}
NIXL = {"kv_connector": "NixlConnector", "kv_role": "kv_both"}
PARAMS = {"do_remote_prefill": True, "remote_port": 5600}
PREFILLED = {
    "prefill_result": {
        "disaggregated_params": {"kv_transfer_params": PARAMS},
        "prompt_tokens_details": {"cached_tokens": 32},
    }
}


@pytest.fixture(scope="session")
def with_nixl(config: Any) -> Any:
    return _with_connector(config, **NIXL)


def _with_connector(config: Any, **given: Any) -> Any:
    changed = copy.copy(config)
    changed.kv_transfer_config = KVTransferConfig(**given)
    return changed


def test_the_prompt(admit: Any, read: Any) -> None:
    assert admit().prompt_token_ids == [5, 6, 7]
    assert read().prompt_tokens == 3
    assert read().request_id == "request"


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (None, "token_ids is NoneType"),
        ("abc", "token_ids is str"),
        ([], "the prompt is empty"),
        ([1.5], "token_ids has 1.5; tokens are 0 to 511"),
        ([5] * 256, "longer than the maximum model length of 256"),
        ([5] * 300, "longer than the maximum model length of 256"),
        ([512], "tokens are 0 to 511"),
        ([-1], "tokens are 0 to 511"),
        ([2**40], "tokens are 0 to 511"),
    ],
)
def test_wrong_prompts_are_refused(admit: Any, tokens: Any, message: Any) -> None:
    with pytest.raises(InvalidArgument, match=message):
        admit(token_ids=tokens)


def test_without_a_tokenizer_there_are_no_bad_words(config: Any, read: Any) -> None:
    changed = copy.copy(config)
    changed.model_config = copy.copy(config.model_config)
    changed.model_config.skip_tokenizer_init = True
    with pytest.raises(InvalidArgument, match="give bad_words_token_ids"):
        read(changed, sampling_options={"bad_words": ["w10"]})


@pytest.mark.parametrize(("asked", "told"), [(None, 0), (5, -5), (-5, 5)])
def test_priority(admit: Any, asked: Any, told: Any) -> None:
    assert admit(routing={"priority": asked}).priority == told


# What is none of this worker's was not chosen for it.
@pytest.mark.parametrize(
    ("asked", "told"), [(None, None), (4, 0), (5, 1), (0, None), (3, None), (6, None)]
)
def test_rank(read: Any, asked: Any, told: Any) -> None:
    assert read(routing={"dp_rank": asked}).data_parallel_rank == told


@pytest.mark.parametrize(
    "parts", [{"routing": {"lora_name": "adapter"}, "model": "m"}, {"model": "adapter"}]
)
def test_an_adapter(read: Any, parts: Any) -> None:
    assert read(**parts).lora_name == "adapter"


def test_no_adapter(read: Any) -> None:
    assert read(model="m").lora_name is None
    with pytest.raises(InvalidArgument, match="no adapter 'other' is loaded here"):
        read(routing={"lora_name": "other"})


@pytest.mark.parametrize(
    "parts",
    [
        {"routing": {"cache_salt": "tenant"}},
        {"extra_args": {"nvext": {"cache_salt": "tenant"}}},
    ],
)
def test_cache_salt(admit: Any, parts: Any) -> None:
    # With this in front the router knows it in KV events.
    assert admit(**parts).cache_salt == "dynamo-cache-salt:tenant"


@pytest.mark.parametrize("parts", [{}, {"routing": {"cache_salt": ""}}, {"extra_args": {}}])
def test_no_cache_salt(admit: Any, parts: Any) -> None:
    assert admit(**parts).cache_salt is None


def test_a_wrong_cache_salt(read: Any) -> None:
    with pytest.raises(InvalidArgument, match="cache_salt is 5"):
        read(routing={"cache_salt": 5})


def test_trace_headers_go_where_vllm_traces(config: Any, read: Any) -> None:
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    assert read(headers=headers).trace_headers is None
    traced = copy.copy(config)
    traced.observability_config = copy.copy(config.observability_config)
    traced.observability_config.otlp_traces_endpoint = "http://127.0.0.1:4317"
    assert read(traced, headers=headers).trace_headers == headers
    assert read(traced).trace_headers is None


def test_where_reasoning_ends(read: Any) -> None:
    kwargs = {"chat_template_kwargs": {"enable_thinking": False}}
    call = read(extra_args={"reasoning_ended": False, "reasoning_parser_kwargs": kwargs})
    assert call.reasoning_ended is False
    assert call.reasoning_parser_kwargs == kwargs


@pytest.mark.parametrize(
    "wrong", [{"reasoning_ended": "yes"}, {"reasoning_parser_kwargs": ["enable_thinking"]}]
)
def test_of_another_type_it_would_end_the_engine_core(read: Any, wrong: Any) -> None:
    [name] = wrong
    with pytest.raises(InvalidArgument, match=f"^extra_args.{name} is "):
        read(extra_args=wrong)


def test_several_outputs_are_refused(read: Any) -> None:
    with pytest.raises(InvalidArgument, match="n is 2, which the vllm engine does not have"):
        read(sampling_options={"n": 2, "temperature": 1.0})


def test_a_prefill_is_of_one_token_that_ends_nothing(with_nixl: Any, read: Any) -> None:
    stops = {"max_tokens": 64, "min_tokens": 5, "stop_token_ids": [9]}
    call = read(with_nixl, "prefill", stop_conditions=stops)
    assert (call.params.max_tokens, call.params.min_tokens) == (1, 1)
    assert call.params.extra_args["kv_transfer_params"]["do_remote_decode"] is True
    assert call.handover is not None
    assert not call.by_socket


def test_a_decode_gets_what_the_prefill_answered(with_nixl: Any, read: Any) -> None:
    call = read(with_nixl, "decode", **PREFILLED)
    assert call.params.extra_args == {"kv_transfer_params": PARAMS}
    assert call.prompt_tokens_details == {"cached_tokens": 32}
    assert call.handover is None
    assert call.by_socket


def test_a_decode_without_a_prefill_is_refused(with_nixl: Any, read: Any) -> None:
    with pytest.raises(InvalidArgument, match="prefill_result"):
        read(with_nixl, "decode")


@pytest.mark.parametrize("mode", ["prefill", "decode"])
def test_a_probe_runs_by_itself(with_nixl: Any, read: Any, mode: Any) -> None:
    call = read(with_nixl, mode, **{HEALTH_CHECK_KEY: True})
    assert call.params.extra_args is None
    assert call.handover is None
    assert call.by_socket


def test_of_a_shared_cache_the_engine_is_told_nothing(config: Any, read: Any) -> None:
    shared = _with_connector(config, **EXAMPLE)
    call = read(shared, "prefill")
    assert call.handover is not None
    assert call.params.extra_args is None
    prefilled: Any = {"prefill_result": {"disaggregated_params": {"kv_transfer_params": {}}}}
    assert read(shared, "decode", **prefilled).params.extra_args is None


@pytest.mark.parametrize(("mode", "parts"), [("prefill", {}), ("decode", PREFILLED)])
def test_apart_there_are_no_log_probabilities_of_the_prompt(
    with_nixl: Any, read: Any, mode: Any, parts: Any
) -> None:
    with pytest.raises(InvalidArgument, match="prompt_logprobs is given"):
        read(with_nixl, mode, output_options={"prompt_logprobs": 1}, **parts)


def test_mooncake_knows_the_transfer_by_an_id(config: Any, read: Any) -> None:
    given = {"kv_connector": "MooncakeConnector", "kv_role": "kv_producer", "engine_id": "here"}
    calls = [read(_with_connector(config, **given), "prefill") for _ in range(2)]
    ids = set()
    for call in calls:
        asked = call.params.extra_args["kv_transfer_params"]
        told = call.handover.disaggregated_params(None)["kv_transfer_params"]
        assert asked["do_remote_decode"]
        assert told["do_remote_prefill"]
        assert told["transfer_id"] == asked["transfer_id"]
        assert told["remote_engine_id"] == "here"
        assert told["remote_bootstrap_addr"].startswith("http://")
        ids.add(asked["transfer_id"])
    assert len(ids) == 2
