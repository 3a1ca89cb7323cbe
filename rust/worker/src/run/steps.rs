//! The steps of a run, as the lifecycle drives them: a runtime is connected, a worker of it has started
//! its engine, it is published, it serves.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_backend_lifecycle as lifecycle;
use dynamo_runtime::error::DynamoError;
use tokio_util::sync::CancellationToken;

use super::connecting::{self, Connected};
use super::host::Host;
use super::published::Published;
use super::started::StartedWorker;
use crate::engine_config::EngineConfig;
use crate::error::unknown;
use crate::state::WorkerState;

#[async_trait]
impl lifecycle::Host for Host {
    type Connected = Connected;
    type Worker = StartedWorker;

    async fn connect(&self) -> Result<Connected, DynamoError> {
        if self.connecting.begins() {
            self.enter(WorkerState::Connecting);
        }
        let config = &self.assembly.config;
        let connected = self.connecting.attempt(&self.runtime, config).await?;
        // A run connects once.
        let _ = self.member.drt.set(connected.drt.clone());
        self.enter(WorkerState::Starting);
        Ok(connected)
    }

    fn worker_id(&self, connected: &Connected) -> u64 {
        connected.drt.connection_id()
    }

    fn is_worth_retrying(&self, error: &DynamoError) -> bool {
        // A runtime that was shut down from outside refuses every attempt.
        self.connecting.is_worth_retrying(error) && !self.runtime.primary_token().is_cancelled()
    }

    fn gave_up(&self, message: String) -> DynamoError {
        connecting::gave_up(message)
    }

    fn panicked(&self, message: String) -> DynamoError {
        unknown(message)
    }

    fn worker(
        self: &Arc<Self>,
        connected: Connected,
        started: EngineConfig,
        took: Duration,
    ) -> StartedWorker {
        StartedWorker::new(self.clone(), connected, started, took)
    }
}

#[async_trait]
impl lifecycle::Worker for StartedWorker {
    type Error = DynamoError;
    type Published = Published;

    async fn publish(
        &self,
        shutdown: &CancellationToken,
    ) -> Result<Option<Published>, DynamoError> {
        self.publish_all(shutdown).await
    }

    async fn withdraw(&self) {
        if let Some(controls) = self.host.member.controls.get() {
            controls.instance().withdraw().await;
        }
    }

    async fn unregister(&self, within: Duration) -> Result<(), DynamoError> {
        match self.host.member.controls.get() {
            Some(controls) => controls.unregister(within).await,
            None => Ok(()),
        }
    }

    fn absent_for(&self) -> Duration {
        let absent = self.host.member.readiness.presence().absent_for();
        absent.unwrap_or_default()
    }

    async fn release(&self) {
        let publishers = std::mem::take(&mut *self.publishers.lock());
        publishers.release().await;
    }

    async fn serve(
        &self,
        published: &Published,
        stop: &CancellationToken,
    ) -> Result<(), DynamoError> {
        self.serve_engine(published).await?;
        self.serve_frontend(published, stop).await
    }

    async fn ended(&self, published: &Published) -> Result<(), DynamoError> {
        self.until_ended(published).await
    }

    fn in_flight(&self) -> usize {
        self.host.requests.in_flight()
    }

    fn finished(&self) -> u64 {
        self.host.requests.admission().finished()
    }

    async fn idle(&self) {
        self.host.requests.idle().await;
    }

    fn refuse(&self) {
        self.host.requests.refuse();
        self.remove_handler();
    }

    async fn cut(&self) -> usize {
        self.host.requests.cut_answers().await
    }
}
