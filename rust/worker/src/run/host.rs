//! The worker's side of the lifecycle, on Dynamo's runtime: what a run begins with.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dynamo_backend_lifecycle::Settings;
use dynamo_runtime::Runtime;
use parking_lot::Mutex;

use super::assembly::Assembly;
use super::connecting::Connecting;
use super::gauges::LifecycleGauges;
use crate::deadline::Deadline;
use crate::frontend::requests::Requests;
use crate::health::Prober;
use crate::state::WorkerState;
use crate::system::Member;

/// How long the runtime may take to go where the deadline leaves that much.
const TEARDOWN: Duration = Duration::from_secs(2);

/// What a run is made of before it connects. The cells are for what is seen from outside its steps.
pub(super) struct Host {
    pub(super) assembly: Assembly,
    pub(super) settings: Settings,
    /// The run as the system server sees it.
    pub(super) member: Arc<Member>,
    pub(super) runtime: Runtime,
    pub(super) deadline: Arc<Deadline>,
    pub(super) requests: Arc<Requests>,
    /// The model's folder was found to be one that a frontend can load.
    pub(super) is_folder_checked: bool,
    pub(super) connecting: Connecting,
    /// Once the engine has started.
    pub(super) gauges: OnceLock<LifecycleGauges>,
    /// While the engine is probed.
    pub(super) prober: Mutex<Option<Prober>>,
}

impl Host {
    pub(super) fn new(
        assembly: Assembly,
        settings: Settings,
        member: Arc<Member>,
        runtime: Runtime,
        deadline: Arc<Deadline>,
        is_folder_checked: bool,
    ) -> Self {
        Self {
            assembly,
            settings,
            member,
            runtime,
            deadline,
            requests: Arc::default(),
            is_folder_checked,
            connecting: Connecting::default(),
            gauges: OnceLock::new(),
            prober: Mutex::default(),
        }
    }

    pub(super) fn served_name(&self) -> &str {
        self.assembly.served_name.get().map_or("", String::as_str)
    }

    /// The worker is in this state from now on; tells whoever watches.
    pub(super) fn enter(&self, state: WorkerState) {
        tracing::info!(%state, "Worker state");
        self.assembly.state.send_replace(state);
        if let Some(gauges) = self.gauges.get() {
            gauges.entered(state);
        }
        if let Some(on_state) = &self.assembly.on_state {
            // A panic would unwind the run, and cost the engine its cleanup.
            let told = catch_unwind(AssertUnwindSafe(|| on_state(state)));
            if told.is_err() {
                tracing::error!("on_state panicked at {state}");
            }
        }
    }

    /// The run ends before its first step; what comes after it is within the deadline all the same.
    pub(super) fn never_began(&self, alone: bool) {
        self.deadline.arm();
        if alone {
            self.runtime.shutdown();
        }
        self.enter(WorkerState::Stopped);
    }

    /// Ends the frontend in the process, before what it stands on. Its answers were waited for, or
    /// cut: what is told of a cut has a moment to get out.
    pub(super) async fn end_frontend(&self) {
        let Some(frontend) = self.requests.frontend() else {
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
    pub(super) async fn shut_runtime_down(&self) {
        // It would take the card's end for a fault of its model.
        self.end_frontend().await;
        let limit = TEARDOWN.min(self.deadline.left() / 2);
        if let Some(controls) = self.member.controls.get() {
            // What is not withdrawn goes with the lease.
            let withdrawn = controls.instance().withdraw_cards();
            let _ = tokio::time::timeout(limit / 2, withdrawn).await;
        }
        match self.member.drt.get() {
            Some(drt) => drt.shutdown(),
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
}
