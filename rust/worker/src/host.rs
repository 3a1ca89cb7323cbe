//! The worker's side of the lifecycle: what a run drives, on Dynamo's runtime.

mod discovery;
mod engine;
mod observer;
mod serving;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dynamo_backend_lifecycle::State;
use dynamo_runtime::component::{Endpoint, StartedEndpoint};
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::{DistributedRuntime, Runtime};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::config::WorkerConfig;
use crate::deadline::Deadline;
use crate::discovery::card::served_name;
use crate::engine::{EngineConfig, LLMEngine};
use crate::event::OnEvent;
use crate::frontend::{Frontend, RunningFrontend};
use crate::metrics::LifecycleGauges;
use crate::publish::{KvPublisher, SnapshotPublisher};

/// Everything that one run knows. The cells are filled by the steps of the run, in its order.
pub(crate) struct Host {
    pub(crate) engine: Arc<dyn LLMEngine>,
    pub(crate) config: WorkerConfig,
    pub(crate) runtime: Runtime,
    pub(crate) deadline: Arc<Deadline>,
    pub(crate) on_event: Option<OnEvent>,
    pub(crate) frontend: Option<Frontend>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) state: watch::Sender<State>,
    admission: Admission,
    connected: OnceLock<Connected>,
    engine_config: OnceLock<EngineConfig>,
    load_time: OnceLock<Duration>,
    gauges: OnceLock<LifecycleGauges>,
    publishers: Mutex<Publishers>,
    health_check_payload: Mutex<Option<serde_json::Value>>,
    started: Mutex<Option<StartedEndpoint>>,
    running_frontend: tokio::sync::Mutex<Option<RunningFrontend>>,
}

struct Connected {
    drt: DistributedRuntime,
    endpoint: Endpoint,
}

#[derive(Default)]
struct Publishers {
    kv_events: Vec<KvPublisher>,
    snapshots: Option<SnapshotPublisher>,
}

impl Host {
    pub(crate) fn new(
        engine: Arc<dyn LLMEngine>,
        config: WorkerConfig,
        frontend: Option<Frontend>,
        on_event: Option<OnEvent>,
        shutdown: CancellationToken,
        state: watch::Sender<State>,
        runtime: Runtime,
        deadline: Arc<Deadline>,
    ) -> Self {
        Self {
            engine,
            config,
            runtime,
            deadline,
            on_event,
            frontend,
            shutdown,
            state,
            admission: Admission::new(),
            connected: OnceLock::new(),
            engine_config: OnceLock::new(),
            load_time: OnceLock::new(),
            gauges: OnceLock::new(),
            publishers: Mutex::default(),
            health_check_payload: Mutex::default(),
            started: Mutex::default(),
            running_frontend: tokio::sync::Mutex::default(),
        }
    }

    /// Ends what the run left running on the runtime, and the runtime's place in discovery.
    pub(crate) async fn shut_runtime_down(&self) {
        match self.connected.get() {
            Some(connected) => connected.drt.shutdown(),
            None => self.runtime.shutdown(),
        }
        self.runtime.primary_token().cancelled().await;
        if let Some(frontend) = self.running_frontend.lock().await.take() {
            frontend.ended().await;
        }
    }

    fn connected(&self) -> Result<&Connected, DynamoError> {
        self.connected
            .get()
            .ok_or_else(|| crate::error::unknown("the runtime is not connected"))
    }

    fn engine_config(&self) -> Result<&EngineConfig, DynamoError> {
        self.engine_config
            .get()
            .ok_or_else(|| crate::error::unknown("the engine has not started"))
    }

    fn served_name(&self) -> Result<String, DynamoError> {
        Ok(served_name(&self.config, self.engine_config()?))
    }
}
