//! The worker's side of the lifecycle: what a run drives, on Dynamo's runtime.

mod connecting;
mod discovery;
mod engine;
mod gauges;
mod in_flight;
mod kubernetes;
mod observer;
mod serving;
mod watching;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dynamo_backend_lifecycle::{Settings, State};
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::utils::GracefulTaskGuard;
use dynamo_runtime::{DistributedRuntime, Runtime};
use parking_lot::Mutex;

use self::gauges::LifecycleGauges;
use crate::admission::Admission;
use crate::deadline::Deadline;
use crate::discovery::{card, listed_card};
use crate::engine_config::EngineConfig;
use crate::event::Event;
use crate::frontend::RunningFrontend;
use crate::health::Prober;
use crate::metrics::RequestMetrics;
use crate::publish::{OpenKvPublisher, SnapshotPublisher};
use crate::run::assembly::Assembly;
use crate::system::{self, Member, Membership};

/// How long the runtime may take to go where the deadline leaves that much.
const TEARDOWN: Duration = Duration::from_secs(2);

/// Everything that one run knows. The cells are filled by the steps of the run, in its order.
pub(crate) struct Host {
    pub(crate) assembly: Assembly,
    pub(crate) settings: Settings,
    /// The run as the system server sees it.
    pub(crate) member: Arc<Member>,
    runtime: Runtime,
    pub(crate) deadline: Arc<Deadline>,
    admission: Admission,
    /// The first attempt to connect was told.
    connecting: AtomicBool,
    /// The runtime connected: what fails after that would fail again.
    reached: AtomicBool,
    /// A runtime whose discovery does not answer yet.
    unreached: Mutex<Option<DistributedRuntime>>,
    connected: OnceLock<Connected>,
    engine_config: OnceLock<EngineConfig>,
    load_time: OnceLock<Duration>,
    gauges: OnceLock<LifecycleGauges>,
    request_metrics: OnceLock<RequestMetrics>,
    publishers: Mutex<Publishers>,
    health_check_payload: Mutex<Option<serde_json::Value>>,
    prober: Mutex<Option<Prober>>,
    /// The model's folder was found to be one that a frontend can load.
    folder_checked: AtomicBool,
    /// The card is in discovery.
    card_registered: AtomicBool,
    /// While it lives, a runtime that is shut down from outside keeps its transports.
    transports: Mutex<Option<GracefulTaskGuard>>,
    running_frontend: Arc<OnceLock<RunningFrontend>>,
}

struct Connected {
    drt: DistributedRuntime,
    endpoint: Endpoint,
}

#[derive(Default)]
struct Publishers {
    kv_events: Vec<OpenKvPublisher>,
    snapshots: Option<SnapshotPublisher>,
}

impl Publishers {
    fn are_there(&self) -> bool {
        !self.kv_events.is_empty() || self.snapshots.is_some()
    }
}

impl Host {
    pub(crate) fn new(
        assembly: Assembly,
        settings: Settings,
        runtime: Runtime,
        deadline: Arc<Deadline>,
    ) -> Self {
        Self {
            member: Member::new(&assembly.config),
            assembly,
            settings,
            runtime,
            deadline,
            admission: Admission::default(),
            connecting: AtomicBool::new(false),
            reached: AtomicBool::new(false),
            unreached: Mutex::default(),
            connected: OnceLock::new(),
            engine_config: OnceLock::new(),
            load_time: OnceLock::new(),
            gauges: OnceLock::new(),
            request_metrics: OnceLock::new(),
            publishers: Mutex::default(),
            health_check_payload: Mutex::default(),
            prober: Mutex::default(),
            folder_checked: AtomicBool::new(false),
            card_registered: AtomicBool::new(false),
            transports: Mutex::default(),
            running_frontend: Arc::default(),
        }
    }

    /// What can be found out before anything is started: a model that no frontend could load, an
    /// address that cannot be had. Then nothing is lost yet.
    pub(crate) async fn prepare(&self) -> Result<Membership, DynamoError> {
        let checked = card::check_folder(&self.assembly.config).await?;
        self.folder_checked.store(checked, Ordering::Relaxed);
        system::join(self.member.clone()).await
    }

    /// The run is over: a runtime that was shut down from outside may go on with that.
    pub(crate) fn let_transports_go(&self) {
        self.transports.lock().take();
    }

    /// The run ends before its first step; what comes after it is within the deadline all the same.
    pub(crate) fn never_began(&self, alone: bool) {
        self.deadline.arm();
        if alone {
            self.runtime.shutdown();
        }
        self.assembly.state.send_replace(State::Stopped);
        self.emit(Event::Stopped);
    }

    /// Ends the frontend in the process, before what it stands on. Its answers were waited for, or
    /// cut: what is told of a cut has a moment to get out.
    pub(crate) async fn end_frontend(&self) {
        let Some(frontend) = self.running_frontend.get() else {
            return;
        };
        frontend.close();
        let limit = TEARDOWN.min(self.deadline.left() / 4);
        if tokio::time::timeout(limit, frontend.ended()).await.is_err() {
            tracing::info!("connections to the frontend were still open after {limit:?}");
        }
        frontend.end(limit).await;
    }

    /// Ends what the run left running on the runtime, and the runtime's place in discovery, as far
    /// as the deadline lets it: a backend that does not answer must not turn a good shutdown into
    /// a forced exit.
    pub(crate) async fn shut_runtime_down(&self) {
        // It would take the card's end for a fault of its model.
        self.end_frontend().await;
        let limit = TEARDOWN.min(self.deadline.left() / 2);
        match self.connected.get() {
            Some(connected) => {
                // The lease takes the card with it, but the process may be gone before that is sent.
                let withdrawn = async {
                    if let Some(controls) = self.member.controls.get() {
                        controls.adapters().withdraw_all().await;
                    }
                    listed_card::withdraw(&connected.endpoint).await
                };
                if let Ok(Err(error)) = tokio::time::timeout(limit / 2, withdrawn).await {
                    tracing::debug!(%error, "the card was out of discovery already");
                }
                connected.drt.shutdown();
            }
            None => self.runtime.shutdown(),
        }
        let teardown = self.runtime.primary_token();
        let gone = tokio::time::timeout(limit, teardown.cancelled());
        if gone.await.is_err() {
            tracing::warn!(
                "the runtime was not down after {limit:?}; what it still holds in discovery goes \
                 with its lease"
            );
        }
        teardown.cancel();
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
        self.assembly.served_name.get().map_or("", String::as_str)
    }
}
