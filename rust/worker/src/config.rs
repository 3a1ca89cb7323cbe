//! How a worker is configured: [`WorkerConfig`] and, inside it, [`RuntimeConfig`].

mod agreement;
mod choice;
mod disaggregation_mode;
mod endpoint_types;
mod kv_state_endpoint;
mod media;
mod metrics_labels;
mod runtime;
mod secret;
mod table;
mod thinking_mode;

use std::path::PathBuf;

use dynamo_llm::local_model::runtime_config::{
    StructuralTagMode, StructuralTagReasoningBoundary, StructuralTagSchemaMode, StructuralTagScope,
};
use dynamo_llm::model_type::{ModelInput, ModelType};
use dynamo_llm::preprocessor::media::{MediaDecoder, MediaFetcher};
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::protocols::EndpointId;
use serde_json::Value;

pub use agreement::agree;
pub use choice::Choice;
pub use disaggregation_mode::DisaggregationMode;
pub(crate) use endpoint_types::parse_endpoint_types;
pub use runtime::RuntimeConfig;
pub use secret::Secret;
pub use table::{FIELDS, Field, Owner};
pub use thinking_mode::ThinkingMode;

use crate::error::invalid_argument;

/// Everything an operator can say about one worker. [`FIELDS`] describes each field.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerConfig {
    pub namespace: String,
    /// Appended to `namespace`, with a hyphen: workers whose card differs are of another generation,
    /// and a frontend that knows namespaces by their prefix serves both.
    pub namespace_worker_suffix: Option<String>,
    pub component: String,
    pub endpoint: String,
    /// Hub repository or local path; empty: a name-only card.
    pub model_name: String,
    pub served_model_name: Option<String>,
    pub model_input: ModelInput,
    pub endpoint_types: String,
    pub custom_jinja_template: Option<PathBuf>,
    pub tool_call_parser: Option<String>,
    pub reasoning_parser: Option<String>,
    /// Whether the model thinks when a request does not say: `enabled` or `disabled`.
    pub default_thinking_mode: Option<ThinkingMode>,
    pub exclude_tools_when_tool_choice_none: bool,
    pub enable_local_indexer: bool,
    pub enable_kv_routing: bool,
    /// Whose KV events the worker's are, `NAMESPACE.COMPONENT.ENDPOINT`; `None`: its own.
    pub kv_state_endpoint: Option<String>,
    pub metrics_labels: Vec<(String, String)>,
    pub disaggregation_mode: DisaggregationMode,
    /// Requests with media come by way of an encode worker.
    pub route_to_encoder: bool,
    /// Which media a frontend decodes, and within which limits; `None`: it hands their URLs on.
    pub media_decoder: Option<Value>,
    /// From where, and how, it fetches them.
    pub media_fetcher: Option<Value>,
    pub health_check_payload: Option<Value>,
    /// Requests that the engine has at a time. More wait for their turn.
    pub max_concurrent_requests: Option<u32>,
    /// Requests that may wait; more are refused, and a frontend tries another worker. `None`: 16.
    pub max_queued_requests: Option<u32>,
    /// For how many seconds one may wait before it is refused.
    pub max_queued_seconds: Option<f64>,
    pub structural_tag_mode: StructuralTagMode,
    pub structural_tag_scope: StructuralTagScope,
    pub structural_tag_schema: StructuralTagSchemaMode,
    /// Tool calls are allowed beside a structured output.
    pub structural_tag_with_structured_output: bool,
    /// Keeps special tokens out of structural tags; `None`: the frontend decides.
    pub structural_tag_exclude_special_tokens: Option<bool>,
    pub structural_tag_reasoning_boundary: StructuralTagReasoningBoundary,
    pub structural_tag_arguments_any_order: bool,
    pub runtime: RuntimeConfig,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            namespace: "dynamo".into(),
            namespace_worker_suffix: None,
            component: "backend".into(),
            endpoint: "generate".into(),
            model_name: String::new(),
            served_model_name: None,
            model_input: ModelInput::Tokens,
            endpoint_types: "chat,completions".into(),
            custom_jinja_template: None,
            tool_call_parser: None,
            reasoning_parser: None,
            default_thinking_mode: None,
            exclude_tools_when_tool_choice_none: true,
            enable_local_indexer: true,
            enable_kv_routing: true,
            kv_state_endpoint: None,
            metrics_labels: Vec::new(),
            disaggregation_mode: DisaggregationMode::Aggregated,
            route_to_encoder: false,
            media_decoder: None,
            media_fetcher: None,
            health_check_payload: None,
            max_concurrent_requests: None,
            max_queued_requests: None,
            max_queued_seconds: None,
            structural_tag_mode: StructuralTagMode::Off,
            structural_tag_scope: StructuralTagScope::Auto,
            structural_tag_schema: StructuralTagSchemaMode::Auto,
            structural_tag_with_structured_output: false,
            structural_tag_exclude_special_tokens: None,
            structural_tag_reasoning_boundary: StructuralTagReasoningBoundary::Auto,
            structural_tag_arguments_any_order: false,
            runtime: RuntimeConfig::default(),
        }
    }
}

impl WorkerConfig {
    /// Checks the whole configuration; the error names the field and its value.
    pub fn validate(&self) -> Result<(), DynamoError> {
        for (field, value) in [
            ("namespace", &self.namespace),
            ("component", &self.component),
            ("endpoint", &self.endpoint),
        ] {
            if value.trim().is_empty() {
                return Err(invalid_argument(format!("{field}: must not be empty")));
            }
        }
        self.model_type()?;
        self.check_input()?;
        self.check_encoder()?;
        self.media()?;
        metrics_labels::check(&self.metrics_labels)?;
        self.kv_state_endpoint()?;
        if let Some(template) = &self.custom_jinja_template {
            if self.model_name.is_empty() {
                return Err(invalid_argument(format!(
                    "custom_jinja_template: '{}' replaces a model's template, but model_name is \
                     empty; name the model too",
                    template.display()
                )));
            }
            if !template.is_file() {
                return Err(invalid_argument(format!(
                    "custom_jinja_template: no file at '{}'",
                    template.display()
                )));
            }
        }
        if self.max_concurrent_requests == Some(0) {
            return Err(invalid_argument(
                "max_concurrent_requests: with 0 no request would ever have its turn; accepted: 1 \
                 or more, or unset",
            ));
        }
        if let Some(seconds) = self.max_queued_seconds
            && !is_patience(seconds)
        {
            return Err(invalid_argument(format!(
                "max_queued_seconds: {seconds} is not accepted; accepted: a number of seconds above 0, or unset"
            )));
        }
        self.runtime.check()
    }

    /// The discovery namespace: the configured one, and the suffix where there is one.
    pub fn effective_namespace(&self) -> String {
        match self.namespace_worker_suffix.as_deref().map(str::trim) {
            None | Some("") => self.namespace.clone(),
            Some(suffix) => format!("{}-{suffix}", self.namespace),
        }
    }

    /// The endpoint that is served, as `NAMESPACE.COMPONENT.ENDPOINT`.
    pub(crate) fn path(&self) -> String {
        let namespace = self.effective_namespace();
        format!("{namespace}.{}.{}", self.component, self.endpoint)
    }

    /// The endpoint that KV events are published for, where it is not the one that is served.
    pub(crate) fn kv_state_endpoint(&self) -> Result<Option<EndpointId>, DynamoError> {
        let given = self.kv_state_endpoint.as_deref();
        given.map(kv_state_endpoint::parse).transpose()
    }

    /// The model type that the endpoint types stand for.
    pub(crate) fn model_type(&self) -> Result<ModelType, DynamoError> {
        parse_endpoint_types(self.model_input, &self.endpoint_types)
    }

    /// Whether the worker keeps an index of its own KV blocks: a router asks for it when it has
    /// missed events. An encode worker has none, nor has who takes no tokens.
    pub fn effective_local_indexer(&self) -> bool {
        self.enable_local_indexer
            && self.model_input == ModelInput::Tokens
            && self.disaggregation_mode != DisaggregationMode::Encode
    }

    /// What is of tokens only has no place beside an engine that takes something else.
    fn check_input(&self) -> Result<(), DynamoError> {
        let input = self.model_input;
        if input == ModelInput::Tokens {
            return Ok(());
        }
        let of_tokens = [
            (
                "disaggregation_mode",
                self.disaggregation_mode != DisaggregationMode::Aggregated,
            ),
            ("route_to_encoder", self.route_to_encoder),
            ("media_decoder", self.media_decoder.is_some()),
            (
                "custom_jinja_template",
                self.custom_jinja_template.is_some(),
            ),
            ("tool_call_parser", self.tool_call_parser.is_some()),
            ("reasoning_parser", self.reasoning_parser.is_some()),
            (
                "default_thinking_mode",
                self.default_thinking_mode.is_some(),
            ),
            ("kv_state_endpoint", self.kv_state_endpoint.is_some()),
        ];
        match of_tokens.iter().find(|(_, is_set)| *is_set) {
            None => Ok(()),
            Some((field, _)) => Err(invalid_argument(format!(
                "{field}: it is for engines that take tokens, and model_input is '{input}'; leave it \
                 at its default"
            ))),
        }
    }

    fn check_encoder(&self) -> Result<(), DynamoError> {
        let takes_results = [DisaggregationMode::Aggregated, DisaggregationMode::Prefill];
        match self.route_to_encoder && !takes_results.contains(&self.disaggregation_mode) {
            false => Ok(()),
            true => Err(invalid_argument(format!(
                "route_to_encoder: disaggregation_mode is '{:?}', and what an encode worker makes goes \
                 to an aggregated or a prefill worker; set it there",
                self.disaggregation_mode
            ))),
        }
    }

    /// How a frontend fetches and decodes media, where it does.
    pub(crate) fn media(
        &self,
    ) -> Result<(Option<MediaDecoder>, Option<MediaFetcher>), DynamoError> {
        let decoder = self
            .media_decoder
            .as_ref()
            .map(media::decoder)
            .transpose()?;
        let fetcher = self
            .media_fetcher
            .as_ref()
            .map(media::fetcher)
            .transpose()?;
        if decoder.is_none() && fetcher.is_some() {
            return Err(invalid_argument(
                "media_fetcher: without a media_decoder a frontend fetches nothing; set both",
            ));
        }
        Ok((decoder, fetcher))
    }
}

/// Whether one can wait for so many seconds.
pub(crate) fn is_patience(seconds: f64) -> bool {
    seconds > 0.0 && std::time::Duration::try_from_secs_f64(seconds).is_ok()
}

#[cfg(test)]
mod tests;
