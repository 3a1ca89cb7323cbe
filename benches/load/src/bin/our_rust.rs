//! Our worker with the benches' Rust engine.

use std::sync::Arc;

use async_trait::async_trait;
use dynamo_backend_load::{spin_beside, tokens};
use dynamo_backend_worker::{
    DynamoError, EngineConfig, EngineStream, LLMEngine, PreprocessedRequest, RequestContext,
    Worker, WorkerConfig, process, process::Scope,
};
use futures::StreamExt;

struct Engine;

#[async_trait]
impl LLMEngine for Engine {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        spin_beside();
        Ok(EngineConfig::new("bench"))
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        Ok(tokens(&request, move || context.is_stopped())
            .map(Ok)
            .boxed())
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = WorkerConfig {
        namespace: std::env::args()
            .nth(1)
            .ok_or("the argument is the namespace")?,
        ..WorkerConfig::default()
    };
    process::prepare_environment(&config, Scope::Cluster);
    process::init_logging();
    process::build_tokio_runtime()?.block_on(async {
        Worker::new(Arc::new(Engine), config).run_alone().await?;
        Ok(())
    })
}
