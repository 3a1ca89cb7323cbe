//! What the lifecycle tells of a run: log lines, gauges, and the deadline that it starts.

use std::time::Duration;

use dynamo_backend_lifecycle::controls::Presence;
use dynamo_backend_lifecycle::{Observer, Stage, State};

use super::host::Host;
use crate::state::WorkerState;

impl Observer for Host {
    fn connect_failed(&self, attempt: u32, next_in: Duration, error: &str) {
        tracing::warn!(
            attempt,
            next_in_secs = next_in.as_secs_f64(),
            "Connecting failed: {error}"
        );
    }

    fn state_changed(&self, state: State) {
        tracing::debug!(%state, "State of the engine");
    }

    fn shutdown_began(&self, deadline: Duration) -> Duration {
        // First of all: the log may go to a pipe that nobody reads.
        self.deadline.arm();
        let ago = deadline.saturating_sub(self.deadline.left());
        tracing::info!(deadline_secs = deadline.as_secs_f64(), "Shutdown begins");
        self.member.readiness.change(Presence::close);
        self.enter(WorkerState::Draining);
        ago
    }

    fn stage_began(&self, stage: Stage) {
        let in_flight = self.requests.in_flight();
        self.deadline.entered(stage);
        tracing::info!(stage = stage.name(), in_flight, "Shutdown stage begins");
    }

    fn waited(&self, _finished: u64, cut: usize) {
        if let Some(gauges) = self.gauges.get() {
            gauges.waited(cut);
        }
    }

    fn stage_ended(&self, stage: Stage, took: Duration) {
        tracing::debug!(
            stage = stage.name(),
            secs = took.as_secs_f64(),
            "Shutdown stage ended"
        );
        if let Some(gauges) = self.gauges.get() {
            match stage {
                Stage::Drain => gauges.drained(took),
                Stage::Cleanup => gauges.cleaned_up(took),
                Stage::Unregister | Stage::Grace | Stage::Wait | Stage::Release => {}
            }
        }
    }

    fn stage_failed(&self, stage: Stage, message: &str) {
        match stage {
            Stage::Cleanup => tracing::error!(stage = stage.name(), "{message}"),
            _ => tracing::warn!(stage = stage.name(), "{message}"),
        }
    }

    fn started(&self, took: Duration) {
        tracing::info!(
            engine = self.assembly.engine.name(),
            secs = took.as_secs_f64(),
            "Engine started"
        );
        // Otherwise it registers nothing.
        if !self.assembly.shutdown.is_asked() {
            self.enter(WorkerState::Registering);
        }
    }

    fn serving(&self) {
        tracing::info!(
            "Serving {} on {}",
            self.served_name(),
            self.assembly.config.path()
        );
        self.member.announce();
        self.enter(WorkerState::Serving);
    }
}
