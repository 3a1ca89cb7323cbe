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
)


def flattened(given: Any, thinking_mode: str | None) -> EngineConfig:
    """What ``start`` returned, in one class.

    Args:
        given: Their ``EngineConfig``.
        thinking_mode: The worker's ``default_thinking_mode``, which belongs to the model's card.

    Raises:
        InvalidArgument: It is none of theirs, or asks for what this worker does not have.
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
        if given.llm.enable_eagle:
            raise InvalidArgument("enable_eagle: this worker does not have it; leave it off")
    if given.model_aliases:
        raise InvalidArgument("model_aliases: this worker does not have them; leave them out")
    runtime_data = dict(given.runtime_data or {})
    if thinking_mode is not None:
        runtime_data["default_thinking_mode"] = thinking_mode
    return EngineConfig(
        model=given.model,
        served_model_name=given.served_model_name,
        runtime_data=runtime_data,
        **values,
    )
