//! Serving the endpoint, and ending that.

use std::sync::Arc;
use std::time::Duration;

use dynamo_backend_lifecycle::canary::Vitals;
use dynamo_runtime::error::DynamoError;
use futures::future;
use tokio_util::sync::CancellationToken;

use super::connecting;
use super::host::Host;
use super::published::Published;
use super::started::StartedWorker;
use crate::config::DisaggregationMode;
use crate::discovery::Instance;
use crate::error::{cannot_connect, unknown};
use crate::frontend::RunningFrontend;
use crate::health::{self, Prober};
use crate::serve::{EngineAdapter, serve_endpoint};

/// How long discovery gets to say whether the worker's lease is alive.
const LEASE_CHECK: Duration = Duration::from_secs(1);

impl StartedWorker {
    /// Serves the engine at the endpoint; on return its instance is registered and callable.
    pub(super) async fn serve_engine(&self, published: &Published) -> Result<(), DynamoError> {
        let Host {
            assembly, member, ..
        } = &*self.host;
        let canary = published
            .canary
            .clone()
            .zip(health::times(&assembly.config.runtime)?);
        let vitals = canary.as_ref().map(|_| Arc::new(Vitals::new()));
        let adapter = EngineAdapter::new(
            assembly.engine.clone(),
            self.host.requests.admission().clone(),
            assembly.config.disaggregation_mode,
            self.host.settings.decode_keep,
            Some(published.request_metrics.clone()),
            vitals.clone(),
        );
        let adapter = adapter
            .with_turns(member.turns.clone())
            .with_first_tokens(published.first_tokens.clone());
        let adapter = Arc::new(adapter);
        if let Some(vitals) = &vitals {
            // Before it can be called ready. A run serves once.
            let _ = member.vitals.set(vitals.clone());
        }
        let labels = &assembly.config.metrics_labels;
        serve_endpoint(published.controls.instance(), adapter, labels)
            .await
            .map_err(|error| unknown(format!("{error:#}")))?;
        if let Some(((payload, times), vitals)) = canary.zip(vitals) {
            *self.host.prober.lock() = Some(Prober::start(
                assembly.engine.clone(),
                payload,
                member.readiness.clone(),
                vitals,
                times,
            ));
        }
        Ok(())
    }

    /// Starts the frontend in the process, where one is wanted; on return it serves the model.
    pub(super) async fn serve_frontend(
        &self,
        published: &Published,
        stop: &CancellationToken,
    ) -> Result<(), DynamoError> {
        let Some(frontend) = &self.host.assembly.frontend else {
            return Ok(());
        };
        let running = frontend.start(self.drt.clone()).await?;
        let running = self.host.requests.come_by(running);
        // It starts once.
        let _ = self.host.assembly.http_address.set(running.address());
        let config = &self.host.assembly.config;
        if config.model_name.is_empty() {
            tracing::warn!(
                "the frontend cannot list a model without a tokenizer: set model_name to have \
                 this one served there"
            );
        }
        // It lists a model whose tokenizer it can load and whose peers are there.
        let is_listed = !config.model_name.is_empty()
            && config.disaggregation_mode == DisaggregationMode::Aggregated;
        let model = is_listed.then(|| self.host.served_name());
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            ended = self.until_ended(published) => ended,
            () = running.until_it_serves(model) => Ok(()),
        }
    }

    /// Resolves when serving ends by itself.
    pub(super) async fn until_ended(&self, published: &Published) -> Result<(), DynamoError> {
        let shut_down = self.host.runtime.shutdown_started_token();
        let instance = published.controls.instance();
        let publishes = self.publishers.lock().are_there();
        tokio::select! {
            biased;
            () = shut_down.cancelled() => why_the_runtime_shut_down(instance).await,
            error = frontend_ended(self.host.requests.frontend()) => Err(error),
            why = instance.until_lost(connecting::backend(), publishes) => {
                Err(discovery_was_lost(&why))
            }
        }
    }

    /// Without its handler the runtime answers as for a worker that is unavailable.
    pub(super) fn remove_handler(&self) {
        let (drt, endpoint) = (self.drt.clone(), self.endpoint.id());
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
}

/// A lease that is lost takes the worker's card with it; a runtime that somebody else shut down keeps
/// both until this worker is done.
async fn why_the_runtime_shut_down(instance: &Instance) -> Result<(), DynamoError> {
    let listed = tokio::time::timeout(LEASE_CHECK, instance.has_listed_card()).await;
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

fn discovery_was_lost(why: &str) -> DynamoError {
    cannot_connect(format!(
        "discovery was lost and did not come back in time ({why}); nobody could find this worker \
         any more, so it shuts down: check the discovery backend and start the worker again"
    ))
}

async fn frontend_ended(frontend: Option<&RunningFrontend>) -> DynamoError {
    match frontend {
        Some(frontend) => frontend.ended().await,
        None => future::pending().await,
    }
}
