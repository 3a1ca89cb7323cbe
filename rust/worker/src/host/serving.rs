//! Serving the endpoint, and ending that.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_backend_lifecycle::Serving;
use dynamo_backend_lifecycle::controls::Presence;
use dynamo_runtime::error::DynamoError;
use futures::future;

use super::{Host, connecting};
use crate::config::DisaggregationMode;
use crate::discovery::registration;
use crate::discovery::watching::Watching;
use crate::error::{cannot_connect, unknown};
use crate::frontend::RunningFrontend;
use crate::serve::{EngineAdapter, disable_nagle};

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
        let adapter = Arc::new(EngineAdapter::new(
            self.worker.engine.clone(),
            self.admission.clone(),
            self.worker.config.disaggregation_mode,
            self.request_metrics.get().cloned(),
        ));
        let payload = self.health_check_payload.lock().take();
        let started = registration::serve(
            &connected.endpoint,
            adapter,
            &self.worker.config.metrics_labels,
            payload,
            &self.member.readiness,
        )
        .await
        .map_err(|error| unknown(format!("{error:#}")))?;
        disable_nagle(&started.instance().transport);
        self.member.readiness.change(Presence::serving);
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
        let frontend = self.running_frontend.get();
        tokio::select! {
            biased;
            () = shut_down.cancelled() => {}
            error = frontend_ended(frontend) => return Err(error),
            lost = self.until_discovery_is_lost() => return Err(lost?),
        }
        let Some(frontend) = frontend else {
            return self.why_the_runtime_shut_down().await;
        };
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

    /// Keeps the worker's records in discovery for as long as it can.
    async fn until_discovery_is_lost(&self) -> Result<DynamoError, DynamoError> {
        let endpoint = &self.connected()?.endpoint;
        let (Some(controls), Some(card)) = (self.member.controls.get(), self.card.get()) else {
            return future::pending().await;
        };
        let watching = Watching {
            endpoint,
            controls,
            readiness: &self.member.readiness,
            card,
            backend: connecting::backend(),
            publishes: self.publishers.lock().are_there(),
        };
        Ok(discovery_was_lost(&watching.until_lost().await))
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
