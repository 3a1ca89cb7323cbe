"""Their ``EngineConfig``, which ``start`` returns, as ours."""

from __future__ import annotations

from typing import Any

from ..config import EngineConfig
from ..exceptions import InvalidArgument

_OF_LLM = (
    "context_length",
    "kv_cache_block_size",
    "total_kv_blocks",
    "max_num_seqs",
    "max_num_batched_tokens",
    "data_parallel_size",
    "data_parallel_start_rank",
    "bootstrap_host",
    "bootstrap_port",
    "max_gpu_lora_count",
    "enable_eagle",
)


def flattened(given: Any) -> EngineConfig:
    """What ``start`` returned, their ``EngineConfig``, in one class.

    Raises:
        InvalidArgument: It is none of theirs.
    """
    if isinstance(given, EngineConfig):
        raise InvalidArgument(
            "start returned the EngineConfig of dynamo_backend_common; an engine that is served"
            " with --reference returns that of dynamo.common.backend"
        )
    if not (hasattr(given, "model") and hasattr(given, "llm")):
        raise InvalidArgument(
            f"start returned {type(given).__name__}; it must return the EngineConfig of"
            " dynamo.common.backend"
        )
    values: dict[str, Any] = {}
    if given.llm is not None:
        values = {name: getattr(given.llm, name) for name in _OF_LLM}
    return EngineConfig(
        model=given.model,
        served_model_name=given.served_model_name,
        model_aliases=tuple(given.model_aliases),
        runtime_data=dict(given.runtime_data or {}),
        **values,
    )
