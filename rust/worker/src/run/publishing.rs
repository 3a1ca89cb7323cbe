//! What makes the worker known before it serves: its metrics, publishers, model card and controls.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use dynamo_llm::first_token::FirstTokenSource;
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::metrics::MetricsHierarchy;
use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::gauges::LifecycleGauges;
use super::host::Host;
use super::published::Published;
use super::started::StartedWorker;
use crate::config::DisaggregationMode;
use crate::controls::Controls;
use crate::discovery::topology::Topology;
use crate::discovery::{Instance, card};
use crate::engine::{MetricsBindings, MetricsContext};
use crate::error::{at_step, unknown};
use crate::health;
use crate::metrics::{self, EngineTexts, RequestMetrics};
use crate::panics::panicked;
use crate::publish::{SnapshotPublisher, check_kv_event_sources, check_ranks, start_kv_publishers};

impl StartedWorker {
    /// Steps 6 and 7; `None` where shutdown was asked for first.
    pub(super) async fn publish_all(
        &self,
        shutdown: &CancellationToken,
    ) -> Result<Option<Published>, DynamoError> {
        let Host {
            assembly, member, ..
        } = &*self.host;
        let (engine, config) = (&assembly.engine, &assembly.config);
        let (request_metrics, bindings) = self.set_up_metrics().await?;
        if config.enable_kv_routing {
            // Code of the engine's is handed the publishers.
            AssertUnwindSafe(self.start_publishers(bindings))
                .catch_unwind()
                .await
                .unwrap_or_else(|panic| {
                    let panicked = panicked(&engine.name(), "on_ready", &*panic);
                    Err(at_step("publishers", panicked))
                })?;
        }
        let fetched = shutdown.run_until_cancelled(card::fetch(config));
        let Some(files) = fetched.await.transpose()? else {
            return Ok(None);
        };
        let topology = match Topology::configured()? {
            None => None,
            Some(topology) => {
                let read = shutdown.run_until_cancelled(topology.read());
                let Some(domains) = read.await.transpose()? else {
                    return Ok(None);
                };
                Some(domains)
            }
        };
        let (checked, system) = (self.host.is_folder_checked, member.address.get().copied());
        let card = card::build(
            &self.endpoint,
            config,
            &self.engine_config,
            files,
            checked,
            system,
            topology.as_ref(),
        )
        .await?;
        let settings = &self.host.settings;
        let instance = Instance::new(
            self.endpoint.clone(),
            config.namespace.clone(),
            card,
            member.readiness.clone(),
            settings,
        );
        let cards = instance.adapters().cards();
        let on_endpoint = engine.on_endpoint_ready(self.endpoint.clone()).await;
        on_endpoint.map_err(|error| at_step("on_endpoint_ready", error))?;
        // All that the engine is asked comes first: a worker that is known is about to serve.
        let controls = Controls::of(
            instance,
            self.host.requests.clone(),
            engine.clone(),
            config.disaggregation_mode == DisaggregationMode::Prefill,
        );
        let controls = Arc::new(controls.await?);
        let on_cards = engine.on_adapter_cards(cards).await;
        on_cards.map_err(|error| at_step("on_adapter_cards", error))?;
        // A run publishes once.
        let _ = member.controls.set(controls.clone());
        let canary = health::payload(config, &**engine).await;
        let first_tokens = self.open_first_tokens().await;
        controls.instance().register_card().await?;
        Ok(Some(Published {
            controls,
            request_metrics,
            first_tokens,
            canary,
        }))
    }

    /// A channel is a socket, which a forked child keeps: only for who is on the event plane anyway.
    async fn open_first_tokens(&self) -> Option<FirstTokenSource> {
        if !self.publishers.lock().are_there() {
            return None;
        }
        let assembly = &self.host.assembly;
        if assembly.raw.is_some() {
            return None;
        }
        let mode = assembly.config.disaggregation_mode;
        FirstTokenSource::for_endpoint(&self.endpoint, mode.worker_type()).await
    }

    /// Registers the worker's metrics, and has the engine set up its own.
    async fn set_up_metrics(&self) -> Result<(RequestMetrics, MetricsBindings), DynamoError> {
        let failed = |error: anyhow::Error| at_step("metrics", unknown(format!("{error:#}")));
        let (endpoint, model, name) = (
            &self.endpoint,
            &self.engine_config.model,
            self.host.served_name(),
        );
        let gauges = LifecycleGauges::register(
            endpoint,
            model,
            name,
            self.load_time,
            Arc::downgrade(&self.host.member),
            &self.host.requests,
        )
        .map_err(failed)?;
        // A run publishes once.
        let _ = self.host.gauges.set(gauges);
        let requests = RequestMetrics::register(endpoint, model, name).map_err(failed)?;
        let labels = metrics::of_worker(endpoint, model, name);
        let texts = EngineTexts::attach(endpoint.get_metrics_registry(), &labels);
        let _ = self.host.member.engine_texts.set(texts.clone());
        let assembly = &self.host.assembly;
        let bindings = assembly
            .engine
            .setup_metrics(MetricsContext {
                model: model.clone(),
                component: assembly.config.component.clone(),
                model_load_time: self.load_time,
                metrics: endpoint.get_metrics_registry().clone(),
                labels,
                texts,
            })
            .await
            .map_err(|error| at_step("setup_metrics", error))?;
        Ok((requests, bindings))
    }

    async fn start_publishers(&self, bindings: MetricsBindings) -> Result<(), DynamoError> {
        let failed = |error: anyhow::Error| at_step("publishers", unknown(format!("{error:#}")));
        let (endpoint, engine_config) = (&self.endpoint, &self.engine_config);
        let assembly = &self.host.assembly;
        check_ranks(&bindings.dp_ranks, engine_config)
            .map_err(|error| at_step("setup_metrics", error))?;
        let refused = |error: DynamoError| at_step("kv_event_sources", error);
        let mut sources = assembly.engine.kv_event_sources().await.map_err(refused)?;
        check_kv_event_sources(&mut sources, engine_config).map_err(refused)?;
        if !sources.is_empty() {
            match engine_config.kv_cache_block_size {
                Some(block_size) => {
                    let indexer = assembly.config.effective_local_indexer();
                    let state = assembly.config.kv_state_endpoint()?;
                    let state = state.unwrap_or_else(|| endpoint.id());
                    let started =
                        start_kv_publishers(endpoint, state, block_size, indexer, sources)
                            .await
                            .map_err(|error| at_step("publishers", error))?;
                    self.publishers.lock().kv_events = started;
                }
                None => tracing::warn!(
                    engine = assembly.engine.name(),
                    "KV events are off: the engine's configuration has no kv_cache_block_size"
                ),
            }
        }
        if !bindings.dp_ranks.is_empty() {
            let publisher = SnapshotPublisher::start(
                endpoint,
                &engine_config.model,
                self.host.served_name(),
                &bindings.dp_ranks,
            )
            .await
            .map_err(failed)?;
            self.publishers.lock().snapshots = Some(publisher.clone());
            if let Some(on_ready) = bindings.on_publisher_ready {
                on_ready(publisher)
                    .await
                    .map_err(|error| at_step("on_publisher_ready", error))?;
            }
        }
        Ok(())
    }
}
