//! What a started engine says about itself, and what it is told about its worker.

use serde_json::{Map, Value};

/// What a started engine says about itself. What is `None` is not advertised.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineConfig {
    /// Canonical id of the model.
    pub model: String,
    /// Public name, unless the operator gave one.
    pub served_model_name: Option<String>,
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
    /// LoRA adapters that requests may use at once.
    pub max_gpu_lora_count: Option<u32>,
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

    pub(crate) fn json(self) -> Value {
        let fields: [(&str, Option<Value>); 13] = [
            ("model", Some(self.model.into())),
            ("served_model_name", self.served_model_name.map(Value::from)),
            ("context_length", self.context_length.map(Value::from)),
            (
                "kv_cache_block_size",
                self.kv_cache_block_size.map(Value::from),
            ),
            ("total_kv_blocks", self.total_kv_blocks.map(Value::from)),
            ("max_num_seqs", self.max_num_seqs.map(Value::from)),
            (
                "max_num_batched_tokens",
                self.max_num_batched_tokens.map(Value::from),
            ),
            (
                "data_parallel_size",
                self.data_parallel_size.map(Value::from),
            ),
            (
                "data_parallel_start_rank",
                self.data_parallel_start_rank.map(Value::from),
            ),
            ("bootstrap_host", self.bootstrap_host.map(Value::from)),
            ("bootstrap_port", self.bootstrap_port.map(Value::from)),
            (
                "max_gpu_lora_count",
                self.max_gpu_lora_count.map(Value::from),
            ),
            (
                "runtime_data",
                (!self.runtime_data.is_empty()).then_some(Value::Object(self.runtime_data)),
            ),
        ];
        let fields = fields.into_iter();
        fields
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect::<Map<_, _>>()
            .into()
    }
}

/// How the operator configured the worker: a JSON object, whose keys
/// [`abi::EngineTable::configure`](crate::abi::EngineTable::configure) lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkerSettings(Map<String, Value>);

impl WorkerSettings {
    pub(crate) fn of(settings: Map<String, Value>) -> Self {
        Self(settings)
    }

    /// The setting of this name; `None` where it is unset, or unknown to the worker.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The setting of this name, if it is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// `aggregated`, `prefill` or `decode`.
    pub fn disaggregation_mode(&self) -> &str {
        self.text("disaggregation_mode").unwrap_or("aggregated")
    }
}
