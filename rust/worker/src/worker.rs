//! [`Worker`]: one engine, served once. Composition only.

use std::sync::{Arc, OnceLock};

use dynamo_backend_lifecycle::{Report, RunError, Settings, State, Step};
use dynamo_runtime::Runtime;
use dynamo_runtime::error::DynamoError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{DisaggregationMode, WorkerConfig};
use crate::engine::{Guarded, LLMEngine};
use crate::error::{at_step, cannot_connect, unknown};
use crate::event::{Event, OnEvent};
use crate::frontend::Frontend;
use crate::host::Host;
use crate::signals::Signals;

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
    pub(crate) engine: Arc<dyn LLMEngine>,
    pub(crate) config: WorkerConfig,
    pub(crate) frontend: Option<Frontend>,
    pub(crate) on_event: Option<OnEvent>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) state: watch::Sender<State>,
    /// Filled when the engine has started.
    pub(crate) served_name: Arc<OnceLock<String>>,
}

impl Worker {
    /// A worker for `engine`. Nothing happens before [`run`](Self::run).
    pub fn new(engine: Arc<dyn LLMEngine>, config: WorkerConfig) -> Self {
        Self {
            engine: Arc::new(Guarded::new(engine)),
            config,
            frontend: None,
            on_event: None,
            shutdown: CancellationToken::new(),
            state: watch::Sender::new(State::Init),
            served_name: Arc::default(),
        }
    }

    /// Adds Dynamo's OpenAI frontend in the same process.
    pub fn with_frontend(mut self, frontend: Frontend) -> Self {
        self.frontend = Some(frontend);
        self
    }

    /// Has `on_event` called on each step of the run.
    pub fn on_event(mut self, on_event: OnEvent) -> Self {
        self.on_event = Some(on_event);
        self
    }

    /// Has the worker shut down when `shutdown` is cancelled; a signal cancels it too.
    pub fn with_shutdown(mut self, shutdown: CancellationToken) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// Cancelling this token asks the worker to shut down, before or during its run.
    pub fn shutdown_token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// The public name of the model; empty until the engine has started.
    pub fn served_name(&self) -> Arc<OnceLock<String>> {
        self.served_name.clone()
    }

    /// The worker's state, from now to the end of its run.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Runs the worker to its end, on a runtime that the caller shuts down afterwards.
    ///
    /// SIGTERM and SIGINT are the worker's while it runs; what was there before is put back. A
    /// shutdown that was asked for is a success, also when parts of it failed: the report says so.
    pub async fn run(self, runtime: Runtime) -> Result<Report, DynamoError> {
        self.begin(runtime)?.drive().await.1
    }

    /// Checks the configuration and takes the signals; the answer runs the worker to its end on a
    /// runtime of its own, on the current tokio runtime, and shuts that down within the deadline
    /// too.
    pub fn run_alone(
        self,
    ) -> Result<impl Future<Output = Result<Report, DynamoError>> + Send, DynamoError> {
        let runtime = Runtime::from_current().map_err(|error| unknown(format!("{error:#}")))?;
        let run = self.begin(runtime)?;
        Ok(async move {
            let (run, result) = run.drive().await;
            run.host.shut_runtime_down().await;
            result
        })
    }

    /// Steps 1 and 2: checks the configuration, then takes the signals.
    fn begin(self, runtime: Runtime) -> Result<Run, DynamoError> {
        self.config.validate()?;
        if let Some(frontend) = &self.frontend {
            frontend.check_port()?;
        }
        let shutdown = self.shutdown.clone();
        let signals = Signals::install(move || shutdown.cancel())
            .map_err(|error| cannot_connect(format!("signals: {error}")))?;
        Ok(Run {
            host: Host::new(self, runtime),
            _signals: signals,
        })
    }
}

/// A run with its guards: while it lives, signals are taken and the deadline is kept.
struct Run {
    host: Host,
    _signals: Signals,
}

impl Run {
    async fn drive(self) -> (Self, Result<Report, DynamoError>) {
        let settings = Settings::from_env();
        let worker = &self.host.worker;
        let prefill = worker.config.disaggregation_mode == DisaggregationMode::Prefill;
        let outcome =
            dynamo_backend_lifecycle::run(&self.host, &worker.shutdown, &settings, prefill).await;
        self.host.let_transports_go();
        self.host.emit(Event::Stopped);
        (self, outcome.into_result().map_err(named))
    }
}

/// A publishing step names itself; the others are named here.
fn named(failed: RunError<DynamoError>) -> DynamoError {
    match failed.step {
        Step::Publish => failed.error,
        step => at_step(step.name(), failed.error),
    }
}
