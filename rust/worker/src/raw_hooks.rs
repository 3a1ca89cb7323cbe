//! The hooks of a raw engine, as a run drives those of any engine.

use std::sync::Arc;

use async_trait::async_trait;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use serde_json::Value;

use crate::config::WorkerConfig;
use crate::engine::{
    EngineStream, LLMEngine, MetricsBindings, MetricsContext, RawEngine, RequestContext,
};
use crate::engine_config::EngineConfig;
use crate::error::invalid_argument;

/// What a raw engine does not have is as of an engine that leaves it out. Its requests take another
/// way, by [`GuardedRaw`](crate::guarded_raw::GuardedRaw).
pub(crate) struct RawHooks(pub(crate) Arc<dyn RawEngine>);

#[async_trait]
impl LLMEngine for RawHooks {
    fn name(&self) -> String {
        self.0.name()
    }

    fn configure(&self, config: &WorkerConfig) {
        self.0.configure(config);
    }

    async fn start(&self, worker_id: u64) -> Result<EngineConfig, DynamoError> {
        self.0.start(worker_id).await
    }

    async fn generate(
        &self,
        _request: PreprocessedRequest,
        _context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        Err(invalid_argument(format!("{} takes no tokens", self.name())))
    }

    async fn watch(&self) -> Result<(), DynamoError> {
        self.0.watch().await
    }

    async fn drain(&self) -> Result<(), DynamoError> {
        self.0.drain().await
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        self.0.cleanup().await
    }

    async fn setup_metrics(&self, ctx: MetricsContext) -> Result<MetricsBindings, DynamoError> {
        self.0.setup_metrics(ctx).await
    }

    async fn health_check_payload(&self) -> Result<Option<Value>, DynamoError> {
        self.0.health_check_payload().await
    }

    async fn supported_controls(&self) -> Result<Vec<String>, DynamoError> {
        self.0.supported_controls().await
    }

    async fn engine_control(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        self.0.engine_control(name, body).await
    }
}
