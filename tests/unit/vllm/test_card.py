"""What a card says, of vLLM's arguments before the start, and of its configuration after it."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from dynamo_backend_common import InvalidArgument, WorkerConfig
from dynamo_backend_common.engines.vllm.card import configured, engine_config

DEFAULT = "Qwen/Qwen3-0.6B"


def arguments(**given: Any) -> Any:
    unset = {
        "model": DEFAULT,
        "tokenizer": None,
        "served_model_name": None,
        "reasoning_parser": "",
    }
    return SimpleNamespace(**unset | given)


def test_either_names_the_model() -> None:
    engine_args = arguments(model="org/model")
    assert configured(WorkerConfig(), engine_args, model_given=True).model_name == "org/model"

    engine_args = arguments()
    config = configured(WorkerConfig(model_name="org/model"), engine_args, model_given=False)
    assert (config.model_name, engine_args.model) == ("org/model", "org/model")


def test_both_may_be_named() -> None:
    engine_args = arguments(model="/weights")
    config = configured(WorkerConfig(model_name="org/model"), engine_args, model_given=True)
    assert (config.model_name, engine_args.model) == ("org/model", "/weights")


def test_a_model_at_an_address_needs_a_folder_for_frontends() -> None:
    with pytest.raises(InvalidArgument, match="model_name: frontends cannot load a tokenizer from"):
        configured(WorkerConfig(), arguments(model="s3://bucket/model"), model_given=True)
    engine_args = arguments(model="s3://bucket/model")
    config = configured(WorkerConfig(model_name="/files"), engine_args, model_given=True)
    assert (config.model_name, engine_args.model) == ("/files", "s3://bucket/model")


@pytest.mark.parametrize(
    ("operators", "vllms", "name", "warned"),
    [
        (None, None, None, ""),
        (None, ["a"], "a", ""),
        (None, "a", "a", ""),
        ("b", None, "b", ""),
        ("b", ["b"], "b", ""),
        ("b", ["a"], "b", "served as b only, not as a of"),
        (None, ["a", "c", "d"], "a", "served as a only, not as c, d of"),
    ],
)
def test_the_public_name_is_that_of_vllms_metrics_too(
    caplog: pytest.LogCaptureFixture,
    operators: str | None,
    vllms: Any,
    name: str | None,
    warned: str,
) -> None:
    engine_args = arguments(served_model_name=vllms)
    with caplog.at_level(logging.WARNING):
        config = configured(
            WorkerConfig(served_model_name=operators), engine_args, model_given=True
        )
    assert config.served_model_name == name
    assert engine_args.served_model_name == ([name] if name else None)
    assert warned in caplog.text
    assert bool(warned) == bool(caplog.text)


def test_the_frontend_gets_the_reasoning_parser() -> None:
    engine_args = arguments(reasoning_parser="qwen3")
    config = configured(WorkerConfig(), engine_args, model_given=True)
    assert config.reasoning_parser == "qwen3"
    config = configured(WorkerConfig(reasoning_parser="basic"), engine_args, model_given=True)
    assert config.reasoning_parser == "basic"
    assert configured(WorkerConfig(), arguments(), model_given=True).reasoning_parser is None


def test_another_tokenizer_is_told(caplog: pytest.LogCaptureFixture) -> None:
    engine_args = arguments(model="/weights", tokenizer="/tokenizer")
    configured(WorkerConfig(model_name="/tokenizer"), engine_args, model_given=True)
    assert caplog.text == ""
    configured(WorkerConfig(), engine_args, model_given=True)
    assert (
        "--tokenizer is /tokenizer; frontends use the one that is beside the model" in caplog.text
    )


def started(*, ranks: list[int], blocks: int | None, effective: int | None, **more: Any) -> Any:
    config = SimpleNamespace(
        model_config=SimpleNamespace(model="/weights", served_model_name="m", max_model_len=4096),
        cache_config=SimpleNamespace(
            block_size=32, effective_attention_block_size=effective, num_gpu_blocks=blocks
        ),
        scheduler_config=SimpleNamespace(max_num_seqs=8, max_num_batched_tokens=2048),
        structured_outputs_config=SimpleNamespace(reasoning_parser="", enable_in_reasoning=False),
        speculative_config=None,
        lora_config=None,
    )
    vars(config).update(more)
    core = SimpleNamespace(engine_ranks_managed=ranks)
    return SimpleNamespace(vllm_config=config, engine_core=core)


def test_blocks_are_those_of_one_rank() -> None:
    card = engine_config(started(ranks=[4, 5], blocks=2000, effective=32))
    assert card.total_kv_blocks == 1000
    assert (card.data_parallel_start_rank, card.data_parallel_size) == (4, 2)
    assert engine_config(started(ranks=[0], blocks=None, effective=32)).total_kv_blocks is None


def test_the_block_size_is_that_of_full_attention() -> None:
    assert engine_config(started(ranks=[0], blocks=9, effective=128)).kv_cache_block_size == 128
    assert engine_config(started(ranks=[0], blocks=9, effective=None)).kv_cache_block_size == 32


def test_frontends_learn_what_vllm_refuses() -> None:
    data = engine_config(started(ranks=[0], blocks=9, effective=32)).runtime_data
    assert data == {
        "token_budget": {
            "combined_limit": 4096,
            "reject_prompt_overflow": True,
            "reject_total_overflow": True,
        },
        "tool_call_structural_tag_excludes_reasoning": False,
    }


def test_speculation_and_reasoning_are_told() -> None:
    llm = started(
        ranks=[0],
        blocks=9,
        effective=32,
        structured_outputs_config=SimpleNamespace(
            reasoning_parser="qwen3", enable_in_reasoning=False
        ),
        speculative_config=SimpleNamespace(num_speculative_tokens=3, method="ngram"),
    )
    data = engine_config(llm).runtime_data
    assert data["tool_call_structural_tag_excludes_reasoning"] is True
    assert data["spec_decode"] == {"nextn": 3, "method": "ngram", "source": "backend_config"}
    llm.vllm_config.structured_outputs_config.enable_in_reasoning = True
    data = engine_config(llm).runtime_data
    assert data["tool_call_structural_tag_excludes_reasoning"] is False


def test_adapters_are_told() -> None:
    llm = started(ranks=[0], blocks=9, effective=32, lora_config=SimpleNamespace(max_loras=4))
    card = engine_config(llm)
    assert card.max_gpu_lora_count == 4
    assert card.runtime_data["lora_requires_registration"] is True
