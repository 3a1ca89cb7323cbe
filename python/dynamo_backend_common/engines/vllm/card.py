"""What a worker's card says of vLLM: its model's names, and its configuration after the start."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from ...config import EngineConfig
from ...exceptions import InvalidArgument

if TYPE_CHECKING:
    from ...config import WorkerConfig

logger = logging.getLogger(__name__)

# What 1.6.1's frontend, and its planner, look for in a card's runtime data.
_TOKEN_BUDGET = "token_budget"
_TAG_WITHOUT_REASONING = "tool_call_structural_tag_excludes_reasoning"
_SPEC_DECODE = "spec_decode"
_ADAPTERS_FIRST = "lora_requires_registration"


def configured(config: WorkerConfig, engine_args: Any, *, model_given: bool) -> WorkerConfig:
    """Has worker and vLLM agree about the model, whichever of them was told of it.

    The worker's ``model_name`` is where a frontend finds tokenizer and template, vLLM's ``model``
    where the weights are. Either stands for both, and both may be given. The public name is the
    operator's, and vLLM's metrics have it too.

    Args:
        config: The worker's; what the operator left at its default is filled in.
        engine_args: vLLM's ``AsyncEngineArgs``, before the start; its names are filled in.
        model_given: Whether the model is the user's, and not vLLM's default.

    Raises:
        InvalidArgument: The model is at an address, from which no frontend can load a tokenizer.
    """
    if config.model_name and not model_given:
        engine_args.model = config.model_name
    if not config.model_name and "://" in engine_args.model:
        raise InvalidArgument(
            f"model_name: frontends cannot load a tokenizer from {engine_args.model}; give"
            " --model-name a folder, or a repository of the hub, that has tokenizer and template"
        )
    tokenizer = engine_args.tokenizer
    if tokenizer is not None and tokenizer not in {engine_args.model, config.model_name}:
        logger.warning(
            "vLLM's --tokenizer is %s; frontends use the one that is beside the model, unless"
            " --model-name says where another is",
            tokenizer,
        )
    return dataclasses.replace(
        config,
        model_name=config.model_name or engine_args.model,
        served_model_name=_public_name(config, engine_args),
        reasoning_parser=config.reasoning_parser or engine_args.reasoning_parser or None,
    )


def _public_name(config: WorkerConfig, engine_args: Any) -> str | None:
    names = engine_args.served_model_name or []
    names = [names] if isinstance(names, str) else list(names)
    name = config.served_model_name or (names[0] if names else None)
    left_out = [other for other in names if other != name]
    if left_out:
        logger.warning(
            "the model is served as %s only, not as %s of vLLM's --served-model-name",
            name,
            ", ".join(left_out),
        )
    if name is not None:
        engine_args.served_model_name = [name]
    return name


def engine_config(llm: Any) -> EngineConfig:
    """The card of a vLLM that has started.

    Args:
        llm: vLLM's ``AsyncLLM``.
    """
    config = llm.vllm_config
    ranks = llm.engine_core.engine_ranks_managed
    return EngineConfig(
        model=config.model_config.model,
        served_model_name=config.model_config.served_model_name,
        context_length=config.model_config.max_model_len,
        kv_cache_block_size=block_size(config),
        total_kv_blocks=_blocks_of_a_rank(config, len(ranks)),
        max_num_seqs=config.scheduler_config.max_num_seqs,
        max_num_batched_tokens=config.scheduler_config.max_num_batched_tokens,
        data_parallel_size=len(ranks),
        data_parallel_start_rank=ranks[0],
        max_gpu_lora_count=config.lora_config and config.lora_config.max_loras,
        runtime_data=_runtime_data(config),
    )


def block_size(config: Any) -> int:
    """Tokens of a block, as KV events have them.

    Those of full attention: in a hybrid model, or with decode context parallelism, they are not
    those of ``--block-size``.
    """
    cache = config.cache_config
    size: int = cache.effective_attention_block_size or cache.block_size
    return size


def _blocks_of_a_rank(config: Any, ranks: int) -> int | None:
    # vLLM adds up those of all ranks, which are alike. Ray's workers never tell.
    blocks: int | None = config.cache_config.num_gpu_blocks
    return blocks // ranks if blocks else None


def _runtime_data(config: Any) -> dict[str, Any]:
    structured = config.structured_outputs_config
    data: dict[str, Any] = {
        # vLLM refuses what is over, so a frontend may do it before a worker is asked.
        _TOKEN_BUDGET: {
            "combined_limit": config.model_config.max_model_len,
            "reject_prompt_overflow": True,
            "reject_total_overflow": True,
        },
        # vLLM applies a grammar only behind the reasoning then, where its parser sees the end.
        _TAG_WITHOUT_REASONING: bool(
            structured.reasoning_parser and not structured.enable_in_reasoning
        ),
    }
    speculative = config.speculative_config
    if speculative is not None and speculative.num_speculative_tokens:
        data[_SPEC_DECODE] = {
            "nextn": speculative.num_speculative_tokens,
            "method": str(speculative.method),
            "source": "backend_config",
        }
    if config.lora_config is not None:
        # No request makes the worker load an adapter that it was not told to.
        data[_ADAPTERS_FIRST] = True
    return data
