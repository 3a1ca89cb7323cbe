//! Connecting, publishing and withdrawing.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Once};
use std::time::Duration;

use async_trait::async_trait;
use dynamo_backend_lifecycle::Discovery;
use dynamo_runtime::DistributedRuntime;
use dynamo_runtime::component::{ComponentBuilder, Endpoint};
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::metrics::MetricsHierarchy;
use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::gauges::LifecycleGauges;
use super::{Connected, Host, Publishers, connecting};
use crate::adapter_cards::Published;
use crate::config::{DisaggregationMode, WorkerConfig};
use crate::controls::{Controls, Surroundings};
use crate::discovery::{card, listed_card};
use crate::engine::{MetricsBindings, MetricsContext};
use crate::error::{BackendError, at_step, cannot_connect, kind, unknown};
use crate::event::Event;
use crate::guarded::panicked;
use crate::health;
use crate::metrics::{self, EngineTexts, RequestMetrics};
use crate::publish::{
    OpenKvPublisher, SnapshotPublisher, check_kv_event_sources, check_ranks, start_kv_publishers,
};

#[async_trait]
impl Discovery for Host {
    type Error = DynamoError;

    async fn connect(&self) -> Result<u64, DynamoError> {
        if !self.connecting.swap(true, Ordering::Relaxed) {
            self.emit(Event::Connecting);
        }
        let failed = |error: anyhow::Error| cannot_connect(format!("{error:#}"));
        let drt = self.connect_runtime().await?;
        self.reached.store(true, Ordering::Relaxed);
        let endpoint = endpoint(&drt, &self.assembly.config).map_err(failed)?;
        warn_of_the_runtimes_own_server(&drt);
        let worker_id = drt.connection_id();
        // A run connects once.
        let _ = self.member.drt.set(drt.clone());
        let _ = self.connected.set(Connected { drt, endpoint });
        self.emit(Event::Starting);
        Ok(worker_id)
    }

    fn is_worth_retrying(&self, error: &DynamoError) -> bool {
        // A runtime that was shut down from outside refuses every attempt.
        kind(error) != BackendError::InvalidArgument
            && !self.reached.load(Ordering::Relaxed)
            && !self.runtime.primary_token().is_cancelled()
            && !connecting::is_hopeless()
    }

    fn gave_up(&self, message: String) -> DynamoError {
        connecting::gave_up(message)
    }

    fn panicked(&self, message: String) -> DynamoError {
        unknown(message)
    }

    async fn publish(&self, shutdown: &CancellationToken) -> Result<(), DynamoError> {
        let bindings = self.set_up_metrics().await?;
        if self.assembly.config.enable_kv_routing {
            // Code of the engine's is handed the publishers.
            AssertUnwindSafe(self.start_publishers(bindings))
                .catch_unwind()
                .await
                .unwrap_or_else(|panic| {
                    let panicked = panicked(&self.assembly.engine.name(), "on_ready", &*panic);
                    Err(at_step("publishers", panicked))
                })?;
        }
        if shutdown.is_cancelled() {
            return Ok(());
        }
        let files = tokio::select! {
            biased;
            _ = shutdown.cancelled() => return Ok(()),
            files = card::fetch(&self.assembly.config.model_name) => files?,
        };
        let endpoint = &self.connected()?.endpoint;
        let config = &self.assembly.config;
        let checked = self.folder_checked.load(Ordering::Relaxed);
        let system = self.member.address.get().copied();
        let engine = self.engine_config()?;
        let card = card::build(endpoint, config, engine, files, checked, system).await?;
        let around = Surroundings {
            endpoint: endpoint.clone(),
            namespace: config.namespace.clone(),
            adapters: Published::new(endpoint.clone(), card.clone()),
            card,
            engine: self.assembly.engine.clone(),
            readiness: self.member.readiness.clone(),
            admission: self.admission.clone(),
            frontend: self.running_frontend.clone(),
            cut: self.gauges.get().map(LifecycleGauges::cut_counter),
        };
        let hands_over = config.disaggregation_mode == DisaggregationMode::Prefill;
        // All that the engine is asked comes first: a worker that is known is about to serve.
        let controls = Arc::new(Controls::of(around, &self.settings, hands_over).await?);
        let cards = controls.adapters().cards();
        let on_cards = self.assembly.engine.on_adapter_cards(cards).await;
        on_cards.map_err(|error| at_step("on_adapter_cards", error))?;
        // A run publishes once.
        let _ = self.member.controls.set(controls.clone());
        *self.health_check_payload.lock() = health::payload(config, &*self.assembly.engine).await;
        // Before the attempt: one that fails may have got through.
        self.card_registered.store(true, Ordering::Relaxed);
        card::register(endpoint, controls.card()).await
    }

    async fn withdraw(&self) {
        let Ok(connected) = self.connected() else {
            return;
        };
        if !self.card_registered.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = listed_card::withdraw(&connected.endpoint).await {
            tracing::warn!(%error, "the model card stays in discovery until the runtime goes");
        }
    }

    async fn unregister(&self, within: Duration) -> Result<(), DynamoError> {
        match self.member.controls.get() {
            Some(controls) => controls.unregister(within).await,
            None => Ok(()),
        }
    }

    fn absent_for(&self) -> Duration {
        let absent = self.member.readiness.presence().absent_for();
        absent.unwrap_or_default()
    }

    async fn release(&self) {
        let Publishers {
            kv_events,
            snapshots,
        } = std::mem::take(&mut *self.publishers.lock());
        let settled = kv_events.iter().filter_map(OpenKvPublisher::settled).max();
        if let Some(settled) = settled {
            tokio::time::sleep_until(settled).await;
        }
        // The engine may hold it longer than the run lasts.
        if let Some(snapshots) = snapshots {
            snapshots.close().await;
        }
    }
}

/// The worker's endpoint, in a component that its namespace does not keep.
///
/// `Namespace::component` keeps it beside the namespace, which the component owns in turn: neither
/// of them, nor the runtime that both own, would ever be freed.
fn endpoint(drt: &DistributedRuntime, config: &WorkerConfig) -> anyhow::Result<Endpoint> {
    let namespace = drt.namespace(config.effective_namespace())?;
    let component = ComponentBuilder::from_runtime(Arc::new(drt.clone()))
        .name(&config.component)
        .namespace(namespace.clone())
        .build()?;
    namespace
        .get_metrics_registry()
        .add_child_registry(component.get_metrics_registry());
    Ok(component.endpoint(&config.endpoint))
}

/// Its routes are not the worker's: it answers controls to everybody, and does not know of these.
fn warn_of_the_runtimes_own_server(drt: &DistributedRuntime) {
    static WARNED: Once = Once::new();
    if let Some(info) = drt.system_status_server_info() {
        WARNED.call_once(|| {
            tracing::warn!(
                address = %info.socket_addr,
                "the runtime's own system server is up, which has no engine controls; call \
                 RuntimeConfig::apply_to_env before the runtime is built to have the worker's"
            );
        });
    }
}

impl Host {
    async fn set_up_metrics(&self) -> Result<MetricsBindings, DynamoError> {
        let failed = |error: anyhow::Error| at_step("metrics", unknown(format!("{error:#}")));
        let endpoint = &self.connected()?.endpoint;
        let model = &self.engine_config()?.model;
        let load_time = self.load_time.get().copied().unwrap_or_default();
        let gauges = LifecycleGauges::register(
            endpoint,
            model,
            self.served_name(),
            load_time,
            Arc::downgrade(&self.member),
        )
        .map_err(failed)?;
        let requests =
            RequestMetrics::register(endpoint, model, self.served_name()).map_err(failed)?;
        // A run publishes once.
        let _ = self.gauges.set(gauges);
        let _ = self.request_metrics.set(requests);
        let labels = metrics::of_worker(endpoint, model, self.served_name());
        let texts = EngineTexts::attach(endpoint.get_metrics_registry(), &labels);
        let _ = self.member.engine_texts.set(texts.clone());
        self.assembly
            .engine
            .setup_metrics(MetricsContext {
                model: model.clone(),
                component: self.assembly.config.component.clone(),
                model_load_time: load_time,
                metrics: endpoint.get_metrics_registry().clone(),
                labels,
                texts,
            })
            .await
            .map_err(|error| at_step("setup_metrics", error))
    }

    async fn start_publishers(&self, bindings: MetricsBindings) -> Result<(), DynamoError> {
        let failed = |error: anyhow::Error| at_step("publishers", unknown(format!("{error:#}")));
        let endpoint = &self.connected()?.endpoint;
        let engine_config = self.engine_config()?;
        check_ranks(&bindings.dp_ranks, engine_config)
            .map_err(|error| at_step("setup_metrics", error))?;
        let refused = |error: DynamoError| at_step("kv_event_sources", error);
        let mut sources = self
            .assembly
            .engine
            .kv_event_sources()
            .await
            .map_err(refused)?;
        check_kv_event_sources(&mut sources, engine_config).map_err(refused)?;
        if !sources.is_empty() {
            match engine_config.kv_cache_block_size {
                Some(block_size) => {
                    let indexer = self.assembly.config.effective_local_indexer();
                    let started = start_kv_publishers(endpoint, block_size, indexer, sources)
                        .await
                        .map_err(|error| at_step("publishers", error))?;
                    self.publishers.lock().kv_events = started;
                }
                None => tracing::warn!(
                    engine = self.assembly.engine.name(),
                    "KV events are off: the engine's configuration has no kv_cache_block_size"
                ),
            }
        }
        if !bindings.dp_ranks.is_empty() {
            let publisher = SnapshotPublisher::start(
                endpoint,
                &engine_config.model,
                self.served_name(),
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
