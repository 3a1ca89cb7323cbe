//! The engines that take requests as clients send them: the trait [`RawEngine`].

use std::pin::Pin;

use async_trait::async_trait;
use dynamo_llm::model_type::ModelInput;
use dynamo_runtime::error::DynamoError;
use futures::Stream;
use serde_json::Value;

use super::{MetricsBindings, MetricsContext, RequestContext};
use crate::config::WorkerConfig;
use crate::engine_config::EngineConfig;

/// The answer to one raw request, in order: JSON objects of the shape that the request's endpoint
/// answers with. It has one at least, and ends by itself or with an error.
pub type RawStream = Pin<Box<dyn Stream<Item = Result<Value, DynamoError>> + Send + 'static>>;

/// An engine of images, videos, speech, embeddings or anything else that no tokenizer stands before.
///
/// It gets a request as the frontend had it, in JSON, and answers in JSON: which, the worker's
/// `endpoint_types` say. Hand it to [`Worker::new_raw`](crate::Worker::new_raw). Its life is an
/// [`LLMEngine`](crate::LLMEngine)'s, and a hook means here what it means there. It has no KV cache
/// that others could know of, and no part in prefill and decode.
///
/// ```
/// use async_trait::async_trait;
/// use dynamo_backend_worker::{DynamoError, EngineConfig, RawEngine, RawStream, RequestContext};
/// use serde_json::{Value, json};
///
/// /// Embeds a text as its length.
/// struct Lengths;
///
/// #[async_trait]
/// impl RawEngine for Lengths {
///     async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
///         Ok(EngineConfig::new("lengths"))
///     }
///     async fn generate(
///         &self,
///         request: Value,
///         _context: RequestContext,
///     ) -> Result<RawStream, DynamoError> {
///         let length = request["input"].as_str().unwrap_or_default().len();
///         let answer = json!({
///             "object": "list",
///             "model": "lengths",
///             "data": [{"object": "embedding", "index": 0, "embedding": [length]}],
///             "usage": {"prompt_tokens": 1, "total_tokens": 1},
///         });
///         Ok(Box::pin(futures::stream::iter([Ok(answer)])))
///     }
///     async fn cleanup(&self) -> Result<(), DynamoError> {
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait RawEngine: Send + Sync + 'static {
    /// How messages and logs call the engine: the name of its type.
    fn name(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// What it takes: `Text`, a client's request to an OpenAI endpoint, or `Tensor`, a request of
    /// KServe's inference protocol.
    fn model_input(&self) -> ModelInput {
        ModelInput::Text
    }

    /// See [`LLMEngine::configure`](crate::LLMEngine::configure).
    fn configure(&self, _config: &WorkerConfig) {}

    /// Loads what `generate` needs. What the configuration says of tokens and KV blocks is of no use
    /// here. See [`LLMEngine::start`](crate::LLMEngine::start).
    async fn start(&self, worker_id: u64) -> Result<EngineConfig, DynamoError>;

    /// Serves one request: a JSON object. It may fail before there is a stream. When
    /// [`RequestContext::is_stopped`] turns true the stream ends.
    async fn generate(
        &self,
        request: Value,
        context: RequestContext,
    ) -> Result<RawStream, DynamoError>;

    /// The request was stopped or killed. Not called when its stream is merely dropped.
    async fn abort(&self, _context: RequestContext) {}

    /// See [`LLMEngine::watch`](crate::LLMEngine::watch).
    async fn watch(&self) -> Result<(), DynamoError> {
        Ok(())
    }

    /// See [`LLMEngine::drain`](crate::LLMEngine::drain).
    async fn drain(&self) -> Result<(), DynamoError> {
        Ok(())
    }

    /// Releases everything. See [`LLMEngine::cleanup`](crate::LLMEngine::cleanup).
    async fn cleanup(&self) -> Result<(), DynamoError>;

    /// See [`LLMEngine::setup_metrics`](crate::LLMEngine::setup_metrics).
    async fn setup_metrics(&self, _ctx: MetricsContext) -> Result<MetricsBindings, DynamoError> {
        Ok(MetricsBindings::default())
    }

    /// The request of the health canary; none by default, as only the engine knows a cheap one. See
    /// [`LLMEngine::health_check_payload`](crate::LLMEngine::health_check_payload).
    async fn health_check_payload(&self) -> Result<Option<Value>, DynamoError> {
        Ok(None)
    }

    /// See [`LLMEngine::supported_controls`](crate::LLMEngine::supported_controls).
    async fn supported_controls(&self) -> Result<Vec<String>, DynamoError> {
        Ok(Vec::new())
    }

    /// See [`LLMEngine::validate_engine_control`](crate::LLMEngine::validate_engine_control).
    async fn validate_engine_control(&self, _name: &str, _body: &Value) -> Result<(), DynamoError> {
        Ok(())
    }

    /// See [`LLMEngine::engine_control`](crate::LLMEngine::engine_control).
    async fn engine_control(&self, name: &str, _body: Value) -> Result<Value, DynamoError> {
        Err(crate::error::no_control(&self.name(), name))
    }

    /// See [`LLMEngine::supported_updates`](crate::LLMEngine::supported_updates).
    async fn supported_updates(&self) -> Result<Vec<String>, DynamoError> {
        Ok(Vec::new())
    }

    /// See [`LLMEngine::engine_update`](crate::LLMEngine::engine_update).
    async fn engine_update(&self, name: &str, _body: Value) -> Result<Value, DynamoError> {
        Err(crate::error::no_update(&self.name(), name))
    }
}
