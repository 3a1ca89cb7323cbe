//! The reference's worker with the benches' Rust engine.

use std::sync::Arc;

use async_trait::async_trait;
use dynamo_backend_common::{
    DynamoError, EngineConfig, GenerateContext, LLMEngine, LLMEngineOutput, PreprocessedRequest,
    WorkerConfig,
};
use dynamo_backend_load::{spin_beside, tokens};
use futures::StreamExt;
use futures::stream::BoxStream;

struct Engine;

#[async_trait]
impl LLMEngine for Engine {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        spin_beside();
        Ok(EngineConfig {
            model: "bench".to_owned(),
            ..EngineConfig::default()
        })
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: GenerateContext,
    ) -> Result<BoxStream<'static, Result<LLMEngineOutput, DynamoError>>, DynamoError> {
        Ok(tokens(&request, move || context.is_stopped())
            .map(Ok)
            .boxed())
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    let namespace = std::env::args().nth(1);
    let config = WorkerConfig {
        namespace: namespace.ok_or(anyhow::anyhow!("the argument is the namespace"))?,
        ..WorkerConfig::default()
    };
    dynamo_backend_common::run(Arc::new(Engine), config)
}
