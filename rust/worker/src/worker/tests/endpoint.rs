//! An engine that is handed its endpoint: once, and before anybody knows of the worker.

use std::sync::Arc;

use async_trait::async_trait;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::discovery::DiscoveryQuery;
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::traits::DistributedRuntimeProvider;
use parking_lot::Mutex;

use crate::config::WorkerConfig;
use crate::engine::{EngineStream, LLMEngine, RequestContext};
use crate::engine_config::EngineConfig;
use crate::error::{BackendError, invalid_argument, kind, unknown};
use crate::process::{Scope, prepare_environment};
use crate::shutdown::Shutdown;
use crate::state::WorkerState;
use crate::worker::Worker;

/// Notes its hooks, and at its endpoint what discovery has.
#[derive(Clone, Default)]
struct Handed {
    refuses: bool,
    hooks: Arc<Mutex<Vec<String>>>,
}

impl Handed {
    fn note(&self, hook: impl Into<String>) {
        self.hooks.lock().push(hook.into());
    }
}

#[async_trait]
impl LLMEngine for Handed {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        self.note("start");
        Ok(EngineConfig::new("handed"))
    }

    async fn generate(
        &self,
        _request: PreprocessedRequest,
        _context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        Err(unknown("nobody asks"))
    }

    async fn on_endpoint_ready(&self, endpoint: Endpoint) -> Result<(), DynamoError> {
        let discovery = endpoint.drt().discovery();
        let cards = discovery.list(DiscoveryQuery::AllModels).await.unwrap();
        let instances = discovery.list(DiscoveryQuery::AllEndpoints).await.unwrap();
        let url = endpoint.id().as_url();
        self.note(format!(
            "{url} with {} cards, {} instances",
            cards.len(),
            instances.len()
        ));
        match self.refuses {
            true => Err(invalid_argument("no such endpoint")),
            false => Ok(()),
        }
    }

    async fn supported_updates(&self) -> Result<Vec<String>, DynamoError> {
        self.note("supported_updates");
        Ok(Vec::new())
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        self.note("cleanup");
        Ok(())
    }
}

const AT_THE_ENDPOINT: &str = "dyn://dynamo.backend.generate with 0 cards, 0 instances";

fn run(engine: &Handed) -> Result<(), DynamoError> {
    let mut config = WorkerConfig::default();
    config.runtime.discovery_backend = Some("mem".into());
    prepare_environment(&config, Scope::Process);
    let shutdown = Shutdown::default();
    let asked = shutdown.clone();
    let worker = Worker::new(Arc::new(engine.clone()), config)
        .with_shutdown(shutdown)
        .on_state(Arc::new(move |state| {
            if state == WorkerState::Serving {
                asked.ask();
            }
        }));
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio.block_on(worker.run_alone()).map(|_| ())
}

#[test]
fn it_comes_before_what_the_engine_is_asked_and_before_the_card() {
    let engine = Handed::default();
    run(&engine).unwrap();
    let hooks = engine.hooks.lock();
    assert_eq!(
        *hooks,
        ["start", AT_THE_ENDPOINT, "supported_updates", "cleanup"]
    );
}

#[test]
fn an_engine_that_refuses_it_ends_the_start() {
    let engine = Handed {
        refuses: true,
        ..Handed::default()
    };
    let error = run(&engine).unwrap_err();
    assert_eq!(error.message(), "on_endpoint_ready: no such endpoint");
    assert_eq!(kind(&error), BackendError::InvalidArgument);
    assert_eq!(*engine.hooks.lock(), ["start", AT_THE_ENDPOINT, "cleanup"]);
}
