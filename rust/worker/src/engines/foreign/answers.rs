//! What an engine's calls answer, in JSON.

use dynamo_runtime::error::DynamoError;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::taken::Taken;
use crate::config::{Choice, DisaggregationMode, WorkerConfig};
use crate::engine_config::EngineConfig;

/// The answer of `function`, which must be there.
pub(super) fn read<T: DeserializeOwned>(
    engine: &Taken,
    function: &str,
    json: Option<Vec<u8>>,
) -> Result<T, DynamoError> {
    let json = json.unwrap_or_else(|| b"null".to_vec());
    serde_json::from_slice(&json)
        .map_err(|error| engine.fault(function, format_args!("answered: {error}")))
}

/// That of `start`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Started {
    model: String,
    served_model_name: Option<String>,
    context_length: Option<u32>,
    kv_cache_block_size: Option<u32>,
    total_kv_blocks: Option<u64>,
    max_num_seqs: Option<u64>,
    max_num_batched_tokens: Option<u64>,
    data_parallel_size: Option<u32>,
    data_parallel_start_rank: Option<u32>,
    bootstrap_host: Option<String>,
    bootstrap_port: Option<u16>,
    max_gpu_lora_count: Option<u32>,
    #[serde(default)]
    runtime_data: Map<String, Value>,
}

impl From<Started> for EngineConfig {
    fn from(started: Started) -> Self {
        Self {
            model: started.model,
            served_model_name: started.served_model_name,
            context_length: started.context_length,
            kv_cache_block_size: started.kv_cache_block_size,
            total_kv_blocks: started.total_kv_blocks,
            max_num_seqs: started.max_num_seqs,
            max_num_batched_tokens: started.max_num_batched_tokens,
            data_parallel_size: started.data_parallel_size,
            data_parallel_start_rank: started.data_parallel_start_rank,
            bootstrap_host: started.bootstrap_host,
            bootstrap_port: started.bootstrap_port,
            max_gpu_lora_count: started.max_gpu_lora_count,
            runtime_data: started.runtime_data,
        }
    }
}

/// That of `setup_metrics`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Metrics {
    pub(super) dp_ranks: Vec<u32>,
    pub(super) text: bool,
}

/// One of those of `kv_event_sources`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) dp_rank: u32,
    /// Of one that publishes on a socket.
    pub(super) endpoint: Option<String>,
    #[serde(default)]
    pub(super) topic: String,
}

/// What `configure` gets.
pub(super) fn settings(config: &WorkerConfig) -> Value {
    let mode = config.disaggregation_mode;
    let mode = DisaggregationMode::NAMES
        .iter()
        .find(|(_, named)| *named == mode)
        .map(|(name, _)| *name);
    json!({
        "namespace": config.effective_namespace(),
        "component": config.component,
        "endpoint": config.endpoint,
        "model_name": config.model_name,
        "served_model_name": config.served_model_name,
        "endpoint_types": config.endpoint_types,
        "disaggregation_mode": mode,
        "enable_kv_routing": config.enable_kv_routing,
        "enable_local_indexer": config.effective_local_indexer(),
        "max_concurrent_requests": config.max_concurrent_requests,
    })
}
