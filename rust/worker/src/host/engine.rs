//! The lifecycle hooks of the worker's engine.

use async_trait::async_trait;
use dynamo_backend_lifecycle::Engine;
use dynamo_runtime::error::DynamoError;

use super::Host;

#[async_trait]
impl Engine for Host {
    type Error = DynamoError;

    async fn start(&self, worker_id: u64) -> Result<(), DynamoError> {
        let config = self.engine.start(worker_id).await?;
        // A run starts its engine once.
        let _ = self.engine_config.set(config);
        Ok(())
    }

    async fn drain(&self) -> Result<(), DynamoError> {
        self.engine.drain().await
    }

    async fn is_quiescent(&self) -> Result<Option<bool>, DynamoError> {
        self.engine.is_quiescent().await
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        self.engine.cleanup().await
    }
}
