//! What a started engine of the reference says about itself.

use dynamo_backend_common as reference;
use dynamo_engine::EngineConfig;

/// The same, as far as there are fields for it; what is lost is logged.
pub(crate) fn ours(config: reference::EngineConfig) -> EngineConfig {
    let llm = config.llm.unwrap_or_default();
    if !config.model_aliases.is_empty() {
        tracing::warn!(
            aliases = ?config.model_aliases,
            "the engine's further names of the model are not served; a worker has one"
        );
    }
    if llm.enable_eagle {
        tracing::warn!("the engine's KV events are of EAGLE's kind; the router is not told so");
    }
    EngineConfig {
        model: config.model,
        served_model_name: config.served_model_name,
        context_length: llm.context_length,
        kv_cache_block_size: llm.kv_cache_block_size,
        total_kv_blocks: llm.total_kv_blocks,
        max_num_seqs: llm.max_num_seqs,
        max_num_batched_tokens: llm.max_num_batched_tokens,
        data_parallel_size: llm.data_parallel_size,
        data_parallel_start_rank: llm.data_parallel_start_rank,
        bootstrap_host: llm.bootstrap_host,
        bootstrap_port: llm.bootstrap_port,
        max_gpu_lora_count: llm.max_gpu_lora_count,
        runtime_data: config.runtime_data.into_iter().collect(),
    }
}
