//! What an engine is: the trait [`LLMEngine`] and the types that cross it.
//!
//! The worker drives an engine as `Arc<dyn LLMEngine>`, wherever it came from: written in Rust,
//! or a Python object behind the bridge of the Python package.

mod context;
mod first_token;
mod raw;
mod setup_metrics;

use std::pin::Pin;

use async_trait::async_trait;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;
use futures::Stream;
use serde_json::Value;

pub use context::{RequestContext, RequestMetadata};
pub use raw::{RawEngine, RawStream};
pub use setup_metrics::{MetricsBindings, MetricsContext, OnPublisherReady};

use crate::adapter_cards::AdapterCards;
use crate::config::WorkerConfig;
use crate::engine_config::EngineConfig;
use crate::publish::KvEventSource;

/// The chunks of one request, in order. Exactly one is terminal, and it is the last: a chunk with
/// `finish_reason`, or an error.
pub type EngineStream =
    Pin<Box<dyn Stream<Item = Result<LLMEngineOutput, DynamoError>> + Send + 'static>>;

/// An engine: the object that produces tokens.
///
/// Only [`start`](Self::start), [`generate`](Self::generate) and [`cleanup`](Self::cleanup) are
/// required. `generate`, `abort` and `engine_control` may run several at a time; the others do not.
///
/// ```
/// use async_trait::async_trait;
/// use dynamo_backend_worker::{
///     DynamoError, EngineConfig, EngineStream, LLMEngine, LLMEngineOutput, PreprocessedRequest,
///     RequestContext,
/// };
///
/// struct Silent;
///
/// #[async_trait]
/// impl LLMEngine for Silent {
///     async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
///         Ok(EngineConfig::new("silent"))
///     }
///     async fn generate(
///         &self,
///         _request: PreprocessedRequest,
///         _context: RequestContext,
///     ) -> Result<EngineStream, DynamoError> {
///         Ok(Box::pin(futures::stream::iter([Ok(LLMEngineOutput::stop())])))
///     }
///     async fn cleanup(&self) -> Result<(), DynamoError> {
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait LLMEngine: Send + Sync + 'static {
    /// How messages and logs call the engine: the name of its type.
    fn name(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// Learns how the operator configured the worker, its disaggregation mode for one. Called by
    /// [`Worker::new`](crate::Worker::new), before everything else.
    fn configure(&self, _config: &WorkerConfig) {}

    /// Loads what `generate` needs. Called once; on return the engine can serve. `worker_id` is
    /// opaque, unique per replica and stable. It is never cancelled midway.
    async fn start(&self, worker_id: u64) -> Result<EngineConfig, DynamoError>;

    /// Serves one request. It may fail before there is a stream. When
    /// [`RequestContext::is_stopped`] turns true the stream ends with `cancelled`.
    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError>;

    /// The request was stopped or killed. Not called when its stream is merely dropped. On a decode
    /// worker it waits for the request's first token, as the KV transfer of the prefill needs its
    /// receiver; see [`RequestContext::notify_first_token`].
    async fn abort(&self, _context: RequestContext) {}

    /// Awaited once, from `start` on while the worker serves: it fails when the engine can serve no
    /// more. The worker then leaves discovery, its requests are cut with the error on which
    /// frontends migrate them, the engine is cleaned up without [`drain`](Self::drain), and the run
    /// fails with `engine: …`. Returning says that there is nothing more to watch, which is the
    /// default. It is dropped when the requests of a shutdown have been waited for.
    async fn watch(&self) -> Result<(), DynamoError> {
        Ok(())
    }

    /// Called once in shutdown, before [`cleanup`](Self::cleanup), unless the engine failed by
    /// [`watch`](Self::watch). A failure is logged only.
    async fn drain(&self) -> Result<(), DynamoError> {
        Ok(())
    }

    /// Whether nothing is left to hand over. Polled in the shutdown of a prefill worker, after
    /// `drain`, until it is `Some(true)` or the drain's share of the budget ends. `None`, the
    /// default: the engine cannot tell, and keeps what peers may still fetch for all of that time.
    /// An engine that keeps nothing for them answers `Some(true)`.
    async fn is_quiescent(&self) -> Result<Option<bool>, DynamoError> {
        Ok(None)
    }

    /// Releases everything. Called exactly once if `start` was called, also when `start` failed:
    /// it must bear a half-started engine.
    async fn cleanup(&self) -> Result<(), DynamoError>;

    /// Called once, after `start`: the place to register metrics of the engine's own.
    async fn setup_metrics(&self, _ctx: MetricsContext) -> Result<MetricsBindings, DynamoError> {
        Ok(MetricsBindings::default())
    }

    /// The sources of KV events, one per data-parallel rank. Called once, after `setup_metrics`;
    /// not at all where `enable_kv_routing` is off.
    async fn kv_event_sources(&self) -> Result<Vec<KvEventSource>, DynamoError> {
        Ok(Vec::new())
    }

    /// The payload of the health canary. A failure switches the canary off with a warning.
    async fn health_check_payload(&self) -> Result<Option<Value>, DynamoError> {
        Ok(None)
    }

    /// Called once, after `start` and before the worker is known, with the endpoint that it will serve:
    /// for an engine that has records of its own in discovery, which it also takes out itself. For
    /// the cards of adapters there is [`on_adapter_cards`](Self::on_adapter_cards).
    async fn on_endpoint_ready(&self, _endpoint: Endpoint) -> Result<(), DynamoError> {
        Ok(())
    }

    /// Called once, before the worker serves, with what registers a card for each LoRA adapter that
    /// the engine loads.
    async fn on_adapter_cards(&self, _cards: AdapterCards) -> Result<(), DynamoError> {
        Ok(())
    }

    /// Names of the controls that become routes of the system server, `POST /engine/NAME`. Those
    /// by which an engine sleeps take the worker out of discovery and wait for what is in flight, and
    /// those that wake it put it back. `pause_generation` holds what is in flight. `drain`, `resume`
    /// and `status` are the worker's own: an engine's is called by `POST /engine/control/NAME`.
    async fn supported_controls(&self) -> Result<Vec<String>, DynamoError> {
        Ok(Vec::new())
    }

    /// Whether the engine would accept a control, asked before anything is done for it: an error is
    /// the reply, and the worker stays in discovery. It must change nothing.
    async fn validate_engine_control(&self, _name: &str, _body: &Value) -> Result<(), DynamoError> {
        Ok(())
    }

    /// Performs one control, with the JSON body of the call. A reply with `"status": "error"` says
    /// that it failed; an error is answered with HTTP status 500.
    async fn engine_control(&self, name: &str, _body: Value) -> Result<Value, DynamoError> {
        Err(crate::error::no_control(&self.name(), name))
    }

    /// Names of the updates, by which an operator changes what the engine has beside its model, such
    /// as LoRA adapters: `POST /engine/update/NAME`. They leave the worker in discovery, or out of it.
    /// `model_taints` is the worker's own and cannot be one.
    async fn supported_updates(&self) -> Result<Vec<String>, DynamoError> {
        Ok(Vec::new())
    }

    /// Performs one update, with the JSON object of the call; one at a time. Reply and error are as
    /// those of a control; of one that fails, what it published and withdrew by
    /// [`AdapterCards`] is undone. What a task of its own does belongs to it only within
    /// [`CardChanges::scope`](crate::CardChanges::scope).
    async fn engine_update(&self, name: &str, _body: Value) -> Result<Value, DynamoError> {
        Err(crate::error::no_update(&self.name(), name))
    }
}

/// Whether the request is a probe of the health canary rather than traffic.
pub fn is_probe(request: &PreprocessedRequest) -> bool {
    request.is_probe
}
