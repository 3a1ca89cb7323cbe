//! Serving the endpoint, and ending that.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_backend_lifecycle::Serving;
use dynamo_backend_lifecycle::canary::Vitals;
use dynamo_runtime::error::DynamoError;

use super::Host;
use crate::config::DisaggregationMode;
use crate::discovery::registration;
use crate::error::{cannot_connect, unknown};
use crate::health::{self, Prober};
use crate::serve::EngineAdapter;

/// How long discovery gets to say whether the worker's lease is alive.
const LEASE_CHECK: Duration = Duration::from_secs(1);
/// How long the frontend gets to say whether the runtime's shutdown was its own.
const FRONTEND_CHECK: Duration = Duration::from_secs(1);

#[async_trait]
impl Serving for Host {
    type Error = DynamoError;

    async fn serve(&self) -> Result<(), DynamoError> {
        let connected = self.connected()?;
        *self.transports.lock() = Some(connected.drt.register_graceful_task());
        let payload = self.health_check_payload.lock().take();
        let canary = payload.zip(health::times()?);
        let vitals = canary.as_ref().map(|_| Arc::new(Vitals::new()));
        let adapter = Arc::new(EngineAdapter::new(
            self.worker.engine.clone(),
            self.admission.clone(),
            self.worker.config.disaggregation_mode,
            self.request_metrics.get().cloned(),
            vitals.clone(),
        ));
        if let Some(vitals) = &vitals {
            // Before it can be called ready. A run serves once.
            let _ = self.member.vitals.set(vitals.clone());
        }
        registration::serve(
            &connected.endpoint,
            adapter,
            &self.worker.config.metrics_labels,
            &self.member.readiness,
        )
        .await
        .map_err(|error| unknown(format!("{error:#}")))?;
        if let Some(((payload, times), vitals)) = canary.zip(vitals) {
            *self.prober.lock() = Some(Prober::start(
                self.worker.engine.clone(),
                payload,
                self.member.readiness.clone(),
                vitals,
                times,
            ));
        }
        if let Some(frontend) = &self.worker.frontend {
            let running = frontend.start(connected.drt.clone()).await?;
            // Set once: a run serves once.
            let _ = self.running_frontend.set(running.clone());
            let listed = self.is_listed_by_a_frontend();
            let model = listed.then(|| self.served_name());
            tokio::select! {
                biased;
                () = self.worker.shutdown.token().cancelled() => {}
                serves = running.until_it_serves(model) => serves?,
            }
        }
        Ok(())
    }

    async fn ended(&self) -> Result<(), DynamoError> {
        let shut_down = self.runtime.shutdown_started_token();
        let Some(frontend) = self.running_frontend.get() else {
            shut_down.cancelled().await;
            return self.why_the_runtime_shut_down().await;
        };
        tokio::select! {
            () = shut_down.cancelled() => {}
            error = frontend.ended() => return Err(error),
        }
        // A frontend that ends shuts the runtime down first. One whose runtime others shut down
        // goes on while this worker holds the transports.
        match tokio::time::timeout(FRONTEND_CHECK, frontend.ended()).await {
            Ok(error) => Err(error),
            Err(_) => self.why_the_runtime_shut_down().await,
        }
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
        let Some(connected) = self.connected.get() else {
            return;
        };
        // Without its handler the runtime answers as for a worker that is unavailable.
        let (drt, endpoint) = (connected.drt.clone(), connected.endpoint.id());
        tokio::spawn(async move {
            let removed = match drt.request_plane_server().await {
                Ok(server) => {
                    server
                        .unregister_endpoint_instance(&endpoint, drt.connection_id())
                        .await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = removed {
                tracing::debug!(%error, "the endpoint's handler was not removed");
            }
        });
    }

    async fn cut(&self) -> usize {
        let count = self.admission.cut();
        if let Some(gauges) = self.gauges.get() {
            gauges.cut(count);
        }
        self.admission.idle().await;
        count
    }
}

impl Host {
    /// A frontend lists a model whose tokenizer it can load and whose peers are there.
    fn is_listed_by_a_frontend(&self) -> bool {
        let config = &self.worker.config;
        !config.model_name.is_empty()
            && config.disaggregation_mode == DisaggregationMode::Aggregated
    }

    /// A lease that is lost takes the worker's card with it; a runtime that somebody else shut
    /// down keeps both until this worker is done.
    async fn why_the_runtime_shut_down(&self) -> Result<(), DynamoError> {
        let endpoint = &self.connected()?.endpoint;
        let listed = tokio::time::timeout(LEASE_CHECK, registration::lists_card(endpoint)).await;
        let why = match listed {
            Ok(Ok(true)) => {
                tracing::info!("the runtime was shut down from outside");
                return Ok(());
            }
            Ok(Ok(false)) => "the lease ran out".to_owned(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {LEASE_CHECK:?}"),
        };
        Err(cannot_connect(format!(
            "discovery was lost and did not come back within the worker's lease ({why}); nobody \
             could find this worker any more, so it shuts down: see to the discovery backend and \
             start it again"
        )))
    }
}

#[cfg(test)]
mod from_outside;
