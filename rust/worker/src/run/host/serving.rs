//! Serving the endpoint, and ending that.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_backend_lifecycle::Serving;
use dynamo_backend_lifecycle::canary::Vitals;
use dynamo_runtime::error::DynamoError;
use futures::future;
use tokio_util::sync::CancellationToken;

use super::watching::Watching;
use super::{Host, connecting};
use crate::config::DisaggregationMode;
use crate::discovery::listed_card;
use crate::error::{cannot_connect, unknown};
use crate::frontend::RunningFrontend;
use crate::health::{self, Prober};
use crate::serve::{EngineAdapter, serve_endpoint};

/// How long discovery gets to say whether the worker's lease is alive.
const LEASE_CHECK: Duration = Duration::from_secs(1);

#[async_trait]
impl Serving for Host {
    type Error = DynamoError;

    async fn serve(&self, stop: &CancellationToken) -> Result<(), DynamoError> {
        let connected = self.connected()?;
        *self.transports.lock() = Some(connected.drt.register_graceful_task());
        let payload = self.health_check_payload.lock().take();
        let canary = payload.zip(health::times()?);
        let vitals = canary.as_ref().map(|_| Arc::new(Vitals::new()));
        let adapter = EngineAdapter::new(
            self.assembly.engine.clone(),
            self.admission.clone(),
            self.assembly.config.disaggregation_mode,
            self.settings.decode_keep,
            self.request_metrics.get().cloned(),
            vitals.clone(),
        );
        let adapter = Arc::new(adapter.with_turns(self.member.turns.clone()));
        if let Some(vitals) = &vitals {
            // Before it can be called ready. A run serves once.
            let _ = self.member.vitals.set(vitals.clone());
        }
        serve_endpoint(
            &connected.endpoint,
            adapter,
            &self.assembly.config.metrics_labels,
            &self.member.readiness,
        )
        .await
        .map_err(|error| unknown(format!("{error:#}")))?;
        if let Some(((payload, times), vitals)) = canary.zip(vitals) {
            *self.prober.lock() = Some(Prober::start(
                self.assembly.engine.clone(),
                payload,
                self.member.readiness.clone(),
                vitals,
                times,
            ));
        }
        if let Some(frontend) = &self.assembly.frontend {
            let running = frontend.start(connected.drt.clone()).await?;
            // A run serves once.
            let running = self.running_frontend.get_or_init(|| running);
            let listed = self.is_listed_by_a_frontend();
            let model = listed.then(|| self.served_name());
            if self.assembly.config.model_name.is_empty() {
                tracing::warn!(
                    "the frontend cannot list a model without a tokenizer: set model_name to have \
                     this one served there"
                );
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                ended = self.ended() => ended?,
                () = running.until_it_serves(model) => {}
            }
        }
        Ok(())
    }

    async fn ended(&self) -> Result<(), DynamoError> {
        let shut_down = self.runtime.shutdown_started_token();
        tokio::select! {
            biased;
            () = shut_down.cancelled() => self.why_the_runtime_shut_down().await,
            error = frontend_ended(self.running_frontend.get()) => Err(error),
            lost = self.until_discovery_is_lost() => Err(lost?),
        }
    }

    fn in_flight(&self) -> usize {
        self.requests_in_flight()
    }

    fn finished(&self) -> u64 {
        self.admission.finished()
    }

    async fn idle(&self) {
        self.until_idle().await
    }

    fn refuse(&self) {
        self.refuse_requests();
    }

    async fn cut(&self) -> usize {
        self.cut_requests().await
    }
}

impl Host {
    /// A frontend lists a model whose tokenizer it can load and whose peers are there.
    fn is_listed_by_a_frontend(&self) -> bool {
        let config = &self.assembly.config;
        !config.model_name.is_empty()
            && config.disaggregation_mode == DisaggregationMode::Aggregated
    }

    /// Keeps the worker's records in discovery for as long as it can.
    async fn until_discovery_is_lost(&self) -> Result<DynamoError, DynamoError> {
        let endpoint = &self.connected()?.endpoint;
        let Some(controls) = self.member.controls.get() else {
            return future::pending().await;
        };
        let watching = Watching {
            endpoint,
            controls,
            readiness: &self.member.readiness,
            card: controls.card(),
            backend: connecting::backend(),
            publishes: self.publishers.lock().are_there(),
        };
        Ok(discovery_was_lost(&watching.until_lost().await))
    }

    /// A lease that is lost takes the worker's card with it; a runtime that somebody else shut
    /// down keeps both until this worker is done.
    async fn why_the_runtime_shut_down(&self) -> Result<(), DynamoError> {
        let endpoint = &self.connected()?.endpoint;
        let listed = tokio::time::timeout(LEASE_CHECK, listed_card::is_there(endpoint)).await;
        let why = match listed {
            Ok(Ok(true)) => {
                tracing::info!("the runtime was shut down from outside");
                return Ok(());
            }
            Ok(Ok(false)) => "the lease ran out".to_owned(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {LEASE_CHECK:?}"),
        };
        Err(discovery_was_lost(&why))
    }
}

fn discovery_was_lost(why: &str) -> DynamoError {
    cannot_connect(format!(
        "discovery was lost and did not come back in time ({why}); nobody could find this worker \
         any more, so it shuts down: see to the discovery backend and start it again"
    ))
}

async fn frontend_ended(frontend: Option<&RunningFrontend>) -> DynamoError {
    match frontend {
        Some(frontend) => frontend.ended().await,
        None => future::pending().await,
    }
}
