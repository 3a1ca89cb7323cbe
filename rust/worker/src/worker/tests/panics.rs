//! What is called back, or Dynamo's own code, panics: the engine has its cleanup all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use crate::config::WorkerConfig;
use crate::engine::{EngineStream, LLMEngine, MetricsBindings, MetricsContext, RequestContext};
use crate::engine_config::EngineConfig;
use crate::error::unknown;
use crate::process::{Scope, prepare_environment};
use crate::publish::KvEventSource;
use crate::shutdown::Shutdown;
use crate::state::WorkerState;
use crate::worker::Worker;

#[derive(Default)]
struct Recorded {
    snapshots: bool,
    kv_events: bool,
    watch: bool,
    cleaned_up: Arc<AtomicBool>,
}

#[async_trait]
impl LLMEngine for Recorded {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig {
            kv_cache_block_size: Some(16),
            ..EngineConfig::new("recorded")
        })
    }

    async fn generate(
        &self,
        _request: PreprocessedRequest,
        _context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        Err(unknown("nobody asks"))
    }

    async fn setup_metrics(&self, _ctx: MetricsContext) -> Result<MetricsBindings, DynamoError> {
        Ok(match self.snapshots {
            true => MetricsBindings::push(vec![0], no_room),
            false => MetricsBindings::default(),
        })
    }

    async fn kv_event_sources(&self) -> Result<Vec<KvEventSource>, DynamoError> {
        Ok(Vec::from_iter(
            self.kv_events.then(|| KvEventSource::push(0, no_room)),
        ))
    }

    async fn watch(&self) -> Result<(), DynamoError> {
        match self.watch {
            true => panic!("no room"),
            false => Ok(()),
        }
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        self.cleaned_up.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn no_room<T>(_: T) {
    panic!("no room")
}

fn on_mem() -> WorkerConfig {
    let mut config = WorkerConfig::default();
    config.runtime.discovery_backend = Some("mem".into());
    prepare_environment(&config, Scope::Process);
    config
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio.block_on(work)
}

fn ends_with_cleanup(engine: Recorded) {
    let cleaned_up = engine.cleaned_up.clone();
    let config = on_mem();
    let error = block_on(Worker::new(Arc::new(engine), config).run_alone()).unwrap_err();
    assert!(error.message().starts_with("publishers: "), "{error}");
    assert!(error.message().ends_with("panicked: no room"), "{error}");
    assert!(cleaned_up.load(Ordering::Relaxed));
}

#[test]
fn section_4_12_a_panic_of_who_gets_the_snapshot_publisher() {
    ends_with_cleanup(Recorded {
        snapshots: true,
        ..Recorded::default()
    });
}

#[test]
fn section_4_12_a_panic_of_who_gets_a_kv_publisher() {
    ends_with_cleanup(Recorded {
        kv_events: true,
        ..Recorded::default()
    });
}

#[test]
fn a_panic_of_the_watch_is_an_engine_that_failed() {
    let engine = Recorded {
        watch: true,
        ..Recorded::default()
    };
    let cleaned_up = engine.cleaned_up.clone();
    let worker = Worker::new(Arc::new(engine), on_mem());
    let message = block_on(worker.run_alone()).unwrap_err().to_string();
    assert!(message.contains("engine: "), "{message}");
    assert!(
        message.ends_with("Recorded.watch panicked: no room"),
        "{message}"
    );
    assert!(cleaned_up.load(Ordering::Relaxed));
}

#[test]
fn a_panic_of_who_is_told_the_events() {
    let engine = Recorded::default();
    let cleaned_up = engine.cleaned_up.clone();
    let shutdown = Shutdown::default();
    let asked = shutdown.clone();
    let worker = Worker::new(Arc::new(engine), on_mem())
        .with_shutdown(shutdown)
        .on_state(Arc::new(move |state| {
            if state == WorkerState::Serving {
                asked.ask();
                panic!("no room");
            }
        }));
    block_on(worker.run_alone()).unwrap();
    assert!(cleaned_up.load(Ordering::Relaxed));
}

/// Panics where the runtime logs what it does to the endpoint's instance.
struct PanicsAtTheEndpoint;

impl Subscriber for PanicsAtTheEndpoint {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == "dynamo_runtime::component::endpoint"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        panic!("no room")
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_panic_of_dynamos_own_code() {
    let engine = Recorded::default();
    let cleaned_up = engine.cleaned_up.clone();
    let worker = Worker::new(Arc::new(engine), on_mem());
    // Both when the instance is registered and when it is unregistered.
    let error = tracing::subscriber::with_default(PanicsAtTheEndpoint, || {
        block_on(worker.run_alone()).unwrap_err()
    });
    assert_eq!(error.message(), "serve: serving panicked: no room");
    assert!(cleaned_up.load(Ordering::Relaxed));
}
