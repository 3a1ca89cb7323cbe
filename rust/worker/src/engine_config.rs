//! What a started engine says about itself.

use serde_json::{Map, Value};

/// What a started engine says about itself. What is `None` is not advertised, except for
/// data-parallel size 1 and start rank 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineConfig {
    /// Canonical id of the model.
    pub model: String,
    /// Public name, unless the operator gave one.
    pub served_model_name: Option<String>,
    /// Further names under which frontends serve the model.
    pub model_aliases: Vec<String>,
    /// Tokens that prompt and output may have together.
    pub context_length: Option<u32>,
    /// Tokens per KV block.
    pub kv_cache_block_size: Option<u32>,
    /// KV blocks of one data-parallel rank.
    pub total_kv_blocks: Option<u64>,
    /// Requests that run at once.
    pub max_num_seqs: Option<u64>,
    /// Tokens of one engine step.
    pub max_num_batched_tokens: Option<u64>,
    /// Number of data-parallel ranks of this worker; 1 where unset.
    pub data_parallel_size: Option<u32>,
    /// First of its data-parallel ranks; 0 where unset.
    pub data_parallel_start_rank: Option<u32>,
    /// Host of the disaggregation bootstrap server; advertised only together with the port.
    pub bootstrap_host: Option<String>,
    /// Port of the disaggregation bootstrap server; advertised only together with the host.
    pub bootstrap_port: Option<u16>,
    /// LoRA adapters that requests may use at once; a card without it is of an engine without them.
    pub max_gpu_lora_count: Option<u32>,
    /// KV events come from speculative decoding by Eagle, of which a block's hash is made of pairs of
    /// tokens: routers then hash prompts like that.
    pub enable_eagle: bool,
    /// Values for the card's runtime config that only this kind of engine knows.
    pub runtime_data: Map<String, Value>,
}

impl EngineConfig {
    /// A configuration that names the model and nothing else.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            ..Self::default()
        }
    }
}
