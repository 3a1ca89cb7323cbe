"""The card that a frontend reads: vLLM's own configuration after the start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.vllm_worker import BLOCK, CONTEXT, MODEL, NAME

if TYPE_CHECKING:
    from support.vllm_worker import Served


def test_the_card_is_vllms_configuration(served: Served) -> None:
    folder = served.launcher.folder / "discovery" / "v1" / "mdc"
    [record] = (path for path in folder.rglob("*") if path.is_file())
    card: dict[str, Any] = json.loads(record.read_text())["card_json"]
    assert card["display_name"] == NAME
    assert card["context_length"] == CONTEXT
    assert card["kv_cache_block_size"] == BLOCK
    assert card["model_input"] == "Tokens"
    assert str(MODEL) in json.dumps(card)
    runtime = card["runtime_config"]
    # A gigabyte of float32: two layers of keys and values, of two heads of 32.
    assert runtime["total_kv_blocks"] == 2**30 // (BLOCK * 2 * 2 * 2 * 32 * 4)
    assert runtime["context_length"] == CONTEXT
    assert runtime["max_num_seqs"] > 0
    assert runtime["max_num_batched_tokens"] >= CONTEXT
    assert (runtime["data_parallel_size"], runtime["data_parallel_start_rank"]) == (1, 0)
    assert runtime["enable_local_indexer"] is True
    budget = runtime["runtime_data"]["token_budget"]
    assert budget["combined_limit"] == CONTEXT


def test_the_frontend_lists_the_model(served: Served) -> None:
    assert served.api.models() == [NAME]


def test_a_frontend_refuses_what_is_over_the_context(served: Served) -> None:
    assert served.api.complete([5] * CONTEXT, max_tokens=1).status == 400
    assert served.api.complete([5] * (CONTEXT - 1), max_tokens=1).status == 200
