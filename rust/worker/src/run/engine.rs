//! The lifecycle hooks of the worker's engine.

use async_trait::async_trait;
use dynamo_backend_lifecycle::Engine;
use dynamo_runtime::error::DynamoError;

use super::host::Host;
use crate::discovery::card::served_name;
use crate::engine_config::EngineConfig;
use crate::signals;

#[async_trait]
impl Engine for Host {
    type Error = DynamoError;
    type Started = EngineConfig;

    async fn start(&self, worker_id: u64) -> Result<EngineConfig, DynamoError> {
        let started = self.assembly.engine.start(worker_id).await;
        signals::keep_handlers();
        let config = started?;
        // A run starts its engine once.
        let _ = self
            .assembly
            .served_name
            .set(served_name(&self.assembly.config, &config));
        Ok(config)
    }

    async fn watch(&self) -> Result<(), DynamoError> {
        self.assembly.engine.watch().await
    }

    async fn left_alone(&self) {
        if let Some(controls) = self.member.controls.get() {
            controls.engine_left_alone().await;
        }
    }

    async fn drain(&self) -> Result<(), DynamoError> {
        self.end_probing().await;
        let drained = self.assembly.engine.drain().await;
        signals::keep_handlers();
        drained
    }

    async fn is_quiescent(&self) -> Result<Option<bool>, DynamoError> {
        self.assembly.engine.is_quiescent().await
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        self.end_probing().await;
        self.assembly.engine.cleanup().await
    }
}

impl Host {
    /// No probe, nor the abort of one, runs beside what ends the engine.
    async fn end_probing(&self) {
        let prober = self.prober.lock().take();
        if let Some(prober) = prober {
            prober.end().await;
        }
    }
}
