//! [`Worker`]: one engine, served once. Composition only.

pub(crate) mod together;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use dynamo_backend_lifecycle::Report;
use dynamo_llm::model_type::ModelInput;
use dynamo_runtime::Runtime;
use dynamo_runtime::error::DynamoError;
use tokio::sync::watch;

use crate::config::WorkerConfig;
use crate::engine::{LLMEngine, RawEngine};
use crate::error::unknown;
use crate::frontend::Frontend;
use crate::guarded::Guarded;
use crate::guarded_raw::GuardedRaw;
use crate::raw_hooks::RawHooks;
use crate::run::Run;
use crate::run::assembly::Assembly;
use crate::shutdown::Shutdown;
use crate::state::{OnState, WorkerState};

/// Drives one engine through one run. It is used once.
///
/// ```no_run
/// use std::sync::Arc;
/// use dynamo_backend_worker::{Runtime, Worker, WorkerConfig, engines::Echo};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config = WorkerConfig::default();
/// config.runtime.apply_to_env();
/// let runtime = Runtime::from_current()?;
/// let engine = Arc::new(Echo::new("echo", Default::default()));
/// let report = Worker::new(engine, config).run(runtime.clone()).await?;
/// runtime.shutdown();
/// println!("{report:?}");
/// # Ok(())
/// # }
/// ```
pub struct Worker {
    assembly: Assembly,
}

impl Worker {
    /// A worker for `engine`, which learns of `config` now. All else happens in [`run`](Self::run).
    pub fn new(engine: Arc<dyn LLMEngine>, config: WorkerConfig) -> Self {
        Self::with_engine(engine, None, config)
    }

    /// A worker for an engine that takes requests as clients send them. A `model_input` that was left
    /// at its default is the engine's.
    pub fn new_raw(engine: Arc<dyn RawEngine>, mut config: WorkerConfig) -> Self {
        if config.model_input == ModelInput::Tokens {
            config.model_input = engine.model_input();
        }
        let raw = Arc::new(GuardedRaw::new(engine.clone()));
        Self::with_engine(Arc::new(RawHooks(engine)), Some(raw), config)
    }

    fn with_engine(
        engine: Arc<dyn LLMEngine>,
        raw: Option<Arc<GuardedRaw>>,
        config: WorkerConfig,
    ) -> Self {
        let engine = Guarded::new(engine);
        engine.configure(&config);
        Self {
            assembly: Assembly {
                engine: Arc::new(engine),
                raw,
                config,
                frontend: None,
                on_state: None,
                shutdown: Shutdown::default(),
                state: watch::Sender::new(WorkerState::Init),
                http_address: Arc::default(),
                served_name: Arc::default(),
            },
        }
    }

    /// Adds Dynamo's OpenAI frontend in the same process.
    pub fn with_frontend(mut self, frontend: Frontend) -> Self {
        self.assembly.frontend = Some(frontend);
        self
    }

    /// Has `on_state` called with each state that the run enters.
    pub fn on_state(mut self, on_state: OnState) -> Self {
        self.assembly.on_state = Some(on_state);
        self
    }

    /// Has the worker shut down when it is asked by `shutdown`; a signal asks by it too.
    pub fn with_shutdown(mut self, shutdown: Shutdown) -> Self {
        self.assembly.shutdown = shutdown;
        self
    }

    /// What asks this worker to shut down.
    pub fn shutdown(&self) -> Shutdown {
        self.assembly.shutdown.clone()
    }

    /// Where the frontend in the process listens; empty until it does, and without one.
    pub fn http_address(&self) -> Arc<OnceLock<SocketAddr>> {
        self.assembly.http_address.clone()
    }

    /// The public name of the model; empty until the engine has started.
    pub fn served_name(&self) -> Arc<OnceLock<String>> {
        self.assembly.served_name.clone()
    }

    /// The worker's state, from now to the end of its run.
    pub fn state(&self) -> watch::Receiver<WorkerState> {
        self.assembly.state.subscribe()
    }

    /// Runs the worker to its end, on a runtime that the caller shuts down afterwards, and built
    /// after [`RuntimeConfig::apply_to_env`](crate::RuntimeConfig::apply_to_env).
    ///
    /// SIGTERM and SIGINT are the worker's while it runs; what was there before is put back. A
    /// shutdown that was asked for is a success, also when parts of it failed: the report says so.
    /// Poll it to its end: dropped midway, it leaves the engine without its cleanup.
    pub async fn run(self, runtime: Runtime) -> Result<Report, DynamoError> {
        Run::begin(self.assembly, runtime, false)?
            .to_the_end()
            .await
            .0
    }

    /// [`run`](Self::run) on a runtime of its own, on the current tokio runtime; it is shut down
    /// within the deadline too.
    pub async fn run_alone(self) -> Result<Report, DynamoError> {
        self.begin()?.to_the_end().await.0
    }

    /// The beginning of [`run_alone`](Self::run_alone): checks the configuration and takes the
    /// signals.
    pub fn begin(self) -> Result<Run, DynamoError> {
        let runtime = Runtime::from_current().map_err(|error| unknown(format!("{error:#}")))?;
        Run::begin(self.assembly, runtime, true)
    }
}

#[cfg(test)]
mod tests;
