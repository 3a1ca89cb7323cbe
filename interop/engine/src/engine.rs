//! The engine.

use std::sync::Arc;

use dynamo_backend_common::{BackendError, DynamoError, ErrorType, LLMEngine};
use dynamo_engine::serde_json::Value;
use dynamo_engine::{Answer, Engine, EngineConfig, Error, Finish, Host, KvEventSource, Request};
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::error::ours;
use crate::in_flight::InFlight;
use crate::output::{Part, part};
use crate::{config, log, request, sources};

/// An engine of the reference's.
///
/// What it logs by `tracing` goes to the worker's log while the worker has it ([`log::install`]).
pub struct ReferenceEngine {
    name: String,
    engine: Arc<dyn LLMEngine>,
    runtime: Handle,
    attached: Mutex<Option<log::Attached>>,
}

impl ReferenceEngine {
    /// Around `engine`, called `name` in messages. What it spawns, and its aborts, run on `runtime`,
    /// which has to live as long as the engine.
    pub fn new(name: impl Into<String>, engine: Arc<dyn LLMEngine>, runtime: Handle) -> Self {
        Self {
            name: name.into(),
            engine,
            runtime,
            attached: Mutex::new(None),
        }
    }
}

impl Engine for ReferenceEngine {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn start(&self, host: Host, worker_id: u64) -> Result<EngineConfig, Error> {
        *self.attached.lock() = Some(log::attach(&host));
        self.engine
            .start(worker_id)
            .await
            .map(config::ours)
            .map_err(ours)
    }

    async fn generate(&self, request: &Request, answer: &mut Answer) -> Result<Finish, Error> {
        let asked = request::read(request)?;
        let metadata = request::metadata(request)?;
        let (mut in_flight, context) = InFlight::begin(
            self.engine.clone(),
            self.runtime.clone(),
            request.id(),
            metadata,
        );
        let begun = self.engine.generate(asked, context).await;
        let mut outputs = begun.map_err(|error| in_flight.failed(error))?;
        let mut is_told = false;
        loop {
            let output = tokio::select! {
                biased;
                () = in_flight.first_token_told(), if !is_told => {
                    is_told = true;
                    request.notify_first_token();
                    continue;
                }
                output = outputs.next() => output,
            };
            let output = output.unwrap_or_else(|| Err(no_end()));
            let output = output.map_err(|error| in_flight.failed(error))?;
            match part(output)? {
                Part::Chunk(chunk) => answer.chunk(chunk).await?,
                Part::Last(finish) => {
                    in_flight.ended();
                    return Ok(finish);
                }
            }
        }
    }

    async fn is_quiescent(&self) -> Result<Option<bool>, Error> {
        self.engine.is_quiescent().await.map_err(ours)
    }

    async fn cleanup(&self) -> Result<(), Error> {
        let cleaned = self.engine.cleanup().await.map_err(ours);
        // What it logs at its end is still the worker's.
        self.attached.lock().take();
        cleaned
    }

    async fn kv_event_sources(&self) -> Result<Vec<KvEventSource>, Error> {
        let sources = self.engine.kv_event_sources().await.map_err(ours)?;
        sources.into_iter().map(sources::ours).collect()
    }

    async fn health_check_payload(&self) -> Result<Option<Value>, Error> {
        self.engine.health_check_payload().await.map_err(ours)
    }

    async fn supported_controls(&self) -> Result<Vec<String>, Error> {
        self.engine.supported_controls().await.map_err(ours)
    }

    async fn validate_engine_control(&self, name: &str, body: &Value) -> Result<(), Error> {
        self.engine
            .validate_engine_control(name, body)
            .map_err(ours)
    }

    async fn engine_control(&self, name: &str, body: Value) -> Result<Value, Error> {
        self.engine
            .engine_control(name.to_owned(), body)
            .await
            .map_err(ours)
    }
}

fn no_end() -> DynamoError {
    DynamoError::builder()
        .error_type(ErrorType::Backend(BackendError::StreamIncomplete))
        .message("the engine's answer ended without a last chunk")
        .build()
}
