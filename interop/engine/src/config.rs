//! What a started engine of the reference says about itself.

use dynamo_backend_common as reference;
use dynamo_engine::EngineConfig;

/// The same.
pub(crate) fn ours(config: reference::EngineConfig) -> EngineConfig {
    let llm = config.llm.unwrap_or_default();
    EngineConfig {
        model: config.model,
        served_model_name: config.served_model_name,
        model_aliases: config.model_aliases,
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
        enable_eagle: llm.enable_eagle,
        runtime_data: config.runtime_data.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_without_tokens_says_its_model_alone() {
        let config = reference::EngineConfig {
            model: "model".to_owned(),
            ..Default::default()
        };
        assert_eq!(ours(config), EngineConfig::new("model"));
    }

    #[test]
    fn what_it_says_of_its_cache_and_its_ranks_comes_with_it() {
        let config = reference::EngineConfig {
            model: "model".to_owned(),
            served_model_name: Some("served".to_owned()),
            model_aliases: vec!["alias".to_owned()],
            runtime_data: [("key".to_owned(), 1.into())].into(),
            llm: Some(reference::LlmRegistration {
                context_length: Some(1),
                kv_cache_block_size: Some(2),
                total_kv_blocks: Some(3),
                max_num_seqs: Some(4),
                max_num_batched_tokens: Some(5),
                max_gpu_lora_count: Some(6),
                data_parallel_size: Some(7),
                data_parallel_start_rank: Some(8),
                bootstrap_host: Some("host".to_owned()),
                bootstrap_port: Some(9),
                enable_eagle: true,
            }),
            ..Default::default()
        };
        let expected = EngineConfig {
            model: "model".to_owned(),
            served_model_name: Some("served".to_owned()),
            model_aliases: vec!["alias".to_owned()],
            context_length: Some(1),
            kv_cache_block_size: Some(2),
            total_kv_blocks: Some(3),
            max_num_seqs: Some(4),
            max_num_batched_tokens: Some(5),
            max_gpu_lora_count: Some(6),
            data_parallel_size: Some(7),
            data_parallel_start_rank: Some(8),
            bootstrap_host: Some("host".to_owned()),
            bootstrap_port: Some(9),
            enable_eagle: true,
            runtime_data: [("key".to_owned(), 1.into())].into_iter().collect(),
        };
        assert_eq!(ours(config), expected);
    }
}
