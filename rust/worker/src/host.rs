//! The worker's side of the lifecycle: what a run drives, on Dynamo's runtime.

mod discovery;
mod engine;
mod observer;
mod serving;

use std::sync::OnceLock;
use std::time::Duration;

use dynamo_runtime::component::{Endpoint, StartedEndpoint};
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::utils::GracefulTaskGuard;
use dynamo_runtime::{DistributedRuntime, Runtime};
use parking_lot::Mutex;

use crate::admission::Admission;
use crate::deadline::Deadline;
use crate::engine::EngineConfig;
use crate::frontend::RunningFrontend;
use crate::metrics::LifecycleGauges;
use crate::publish::{KvPublisher, SnapshotPublisher};
use crate::worker::Worker;

/// Everything that one run knows. The cells are filled by the steps of the run, in its order.
pub(crate) struct Host {
    pub(crate) worker: Worker,
    runtime: Runtime,
    deadline: Deadline,
    admission: Admission,
    connected: OnceLock<Connected>,
    engine_config: OnceLock<EngineConfig>,
    load_time: OnceLock<Duration>,
    gauges: OnceLock<LifecycleGauges>,
    publishers: Mutex<Publishers>,
    health_check_payload: Mutex<Option<serde_json::Value>>,
    started: Mutex<Option<StartedEndpoint>>,
    /// While it lives, a runtime that is shut down from outside keeps its transports.
    transports: Mutex<Option<GracefulTaskGuard>>,
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
    pub(crate) fn new(worker: Worker, runtime: Runtime) -> Self {
        Self {
            worker,
            runtime,
            deadline: Deadline::default(),
            admission: Admission::default(),
            connected: OnceLock::new(),
            engine_config: OnceLock::new(),
            load_time: OnceLock::new(),
            gauges: OnceLock::new(),
            publishers: Mutex::default(),
            health_check_payload: Mutex::default(),
            started: Mutex::default(),
            transports: Mutex::default(),
            running_frontend: tokio::sync::Mutex::default(),
        }
    }

    /// The run is over: a runtime that was shut down from outside may go on with that.
    pub(crate) fn let_transports_go(&self) {
        self.transports.lock().take();
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

    fn served_name(&self) -> &str {
        self.worker.served_name.get().map_or("", String::as_str)
    }
}
