//! A Python engine that takes requests as clients send them, as the worker's [`RawEngine`].
//!
//! Its hooks are called as those of any Python engine.

use async_trait::async_trait;
use dynamo_backend_worker::{
    DynamoError, EngineConfig, LLMEngine, MetricsBindings, MetricsContext, RawEngine, RawStream,
    RequestContext,
};
use pyo3::prelude::*;
use serde_json::Value;

use crate::chunk::into_raw;
use crate::chunks::Chunks;
use crate::convert::json::Json;
use crate::python_engine::RawPythonEngine;

#[async_trait]
impl RawEngine for RawPythonEngine {
    fn name(&self) -> String {
        LLMEngine::name(&self.0)
    }

    async fn start(&self, worker_id: u64) -> Result<EngineConfig, DynamoError> {
        LLMEngine::start(&self.0, worker_id).await
    }

    async fn generate(
        &self,
        request: Value,
        context: RequestContext,
    ) -> Result<RawStream, DynamoError> {
        let chunks = Chunks::ask(
            &self.0,
            context,
            false,
            move |py| Json(request).into_pyobject(py),
            into_raw,
        );
        Ok(Box::pin(chunks))
    }

    async fn abort(&self, context: RequestContext) {
        LLMEngine::abort(&self.0, context).await;
    }

    async fn watch(&self) -> Result<(), DynamoError> {
        LLMEngine::watch(&self.0).await
    }

    async fn drain(&self) -> Result<(), DynamoError> {
        LLMEngine::drain(&self.0).await
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        LLMEngine::cleanup(&self.0).await
    }

    async fn setup_metrics(&self, ctx: MetricsContext) -> Result<MetricsBindings, DynamoError> {
        LLMEngine::setup_metrics(&self.0, ctx).await
    }

    async fn health_check_payload(&self) -> Result<Option<Value>, DynamoError> {
        LLMEngine::health_check_payload(&self.0).await
    }

    async fn supported_controls(&self) -> Result<Vec<String>, DynamoError> {
        LLMEngine::supported_controls(&self.0).await
    }

    async fn validate_engine_control(&self, name: &str, body: &Value) -> Result<(), DynamoError> {
        LLMEngine::validate_engine_control(&self.0, name, body).await
    }

    async fn engine_control(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        LLMEngine::engine_control(&self.0, name, body).await
    }

    async fn supported_updates(&self) -> Result<Vec<String>, DynamoError> {
        LLMEngine::supported_updates(&self.0).await
    }

    async fn engine_update(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        LLMEngine::engine_update(&self.0, name, body).await
    }
}
