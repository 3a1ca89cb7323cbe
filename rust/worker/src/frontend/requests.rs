//! Who is in flight: at the engine, on the way to a frontend, and at the process's own frontend on
//! the way to a client.

use std::sync::OnceLock;

use prometheus::IntCounter;

use super::RunningFrontend;
use crate::admission::Admission;

/// The requests of one worker.
#[derive(Default)]
pub(crate) struct Requests {
    admission: Admission,
    /// Once it runs.
    frontend: OnceLock<RunningFrontend>,
    /// Counts those that are cut, once the worker has metrics.
    cut_total: OnceLock<IntCounter>,
}

impl Requests {
    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The frontend in the process, where it runs.
    pub(crate) fn frontend(&self) -> Option<&RunningFrontend> {
        self.frontend.get()
    }

    /// Has requests come by this frontend too. A worker has one at most.
    pub(crate) fn come_by(&self, frontend: RunningFrontend) -> &RunningFrontend {
        self.frontend.get_or_init(|| frontend)
    }

    /// Counts those that are cut from now on.
    pub(crate) fn count_cut(&self, total: IntCounter) {
        // A run registers its metrics once.
        let _ = self.cut_total.set(total);
    }

    /// Those at the engine, or at the frontend in the process: mostly they are the same.
    pub(crate) fn in_flight(&self) -> usize {
        let unwritten = self.frontend().map_or(0, RunningFrontend::unwritten);
        self.admission.in_flight().max(unwritten)
    }

    /// Before requests are refused: resolves when the worker has none. After that: when every
    /// answer is written too.
    pub(crate) async fn idle(&self) {
        self.admission.idle().await;
        if let Some(frontend) = self.frontend().filter(|it| it.is_closed()) {
            frontend.answered().await;
        }
    }

    /// Takes no new request, here and in the process's frontend.
    pub(crate) fn refuse(&self) {
        self.admission.close();
        if let Some(frontend) = self.frontend() {
            frontend.close();
        }
    }

    /// Cuts what the engine has; answers how many there were.
    pub(crate) async fn cut(&self) -> usize {
        self.cut_at_least(0).await
    }

    /// Cuts what the engine has, of a worker whose frontend ends with it: what that is answering is
    /// cut too.
    pub(crate) async fn cut_answers(&self) -> usize {
        let answering = self.frontend().map_or(0, RunningFrontend::answering);
        self.cut_at_least(answering).await
    }

    async fn cut_at_least(&self, answering: usize) -> usize {
        let count = self.admission.cut().max(answering);
        if let Some(total) = self.cut_total.get() {
            total.inc_by(count as u64);
        }
        self.admission.idle().await;
        count
    }
}
