//! Serving the endpoint, and ending that.

use std::sync::Arc;

use async_trait::async_trait;
use dynamo_backend_lifecycle::Serving;
use dynamo_runtime::error::DynamoError;

use super::Host;
use crate::discovery::registration;
use crate::error::{cannot_connect, unknown};
use crate::serve::{EngineAdapter, disable_nagle};

#[async_trait]
impl Serving for Host {
    type Error = DynamoError;

    async fn serve(&self) -> Result<(), DynamoError> {
        let connected = self.connected()?;
        *self.transports.lock() = Some(connected.drt.register_graceful_task());
        let adapter = Arc::new(EngineAdapter::new(
            self.worker.engine.clone(),
            self.admission.clone(),
            self.worker.config.disaggregation_mode,
        ));
        let payload = self.health_check_payload.lock().take();
        let started = registration::serve(
            &connected.endpoint,
            adapter,
            &self.worker.config.metrics_labels,
            payload,
        )
        .await
        .map_err(|error| unknown(format!("{error:#}")))?;
        disable_nagle(&started.instance().transport);
        *self.started.lock() = Some(started);
        if let Some(frontend) = &self.worker.frontend {
            let running = frontend.start(connected.drt.clone()).await?;
            tokio::select! {
                biased;
                _ = self.worker.shutdown.cancelled() => {}
                _ = running.until_model(self.served_name()) => {}
            }
            *self.running_frontend.lock().await = Some(running);
        }
        Ok(())
    }

    async fn ended(&self) -> Result<(), DynamoError> {
        self.runtime.shutdown_started_token().cancelled().await;
        let mut running = self.running_frontend.lock().await;
        if let Some(frontend) = running.take_if(|frontend| frontend.has_ended()) {
            return Err(frontend.ended().await);
        }
        Err(cannot_connect(
            "the runtime shut down by itself: the connection to discovery was lost and did not \
             come back within its lease",
        ))
    }

    fn in_flight(&self) -> usize {
        self.admission.in_flight()
    }

    fn finished(&self) -> u64 {
        self.admission.finished()
    }

    async fn idle(&self) {
        self.admission.idle().await
    }

    fn refuse(&self) {
        self.admission.close();
        // Removing the handler makes the runtime answer as for a worker that is unavailable. What
        // is in flight there is waited for by `idle`, not by this task.
        if let Some(started) = self.started.lock().take() {
            tokio::spawn(async move {
                if let Err(error) = started.shutdown().await {
                    tracing::warn!(%error, "the endpoint's handler was not removed cleanly");
                }
            });
        }
    }

    async fn cut(&self) -> usize {
        let count = self.admission.cut();
        if count > 0 {
            tracing::warn!(
                requests = count,
                "cut at the end of the wait, with an error on which a frontend migrates them"
            );
        }
        self.admission.idle().await;
        count
    }
}
