//! Tells the engine when a request is no longer wanted, and cuts it at the end of a shutdown.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument, Span};

use super::live::Live;
use crate::admission::Admission;
use crate::engine::{LLMEngine, RequestContext};

/// What an engine has for ending a stream that nobody reads any more.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// What watches one request.
pub(super) struct Monitor {
    pub(super) engine: Arc<dyn LLMEngine>,
    pub(super) context: RequestContext,
    pub(super) live: Live,
    pub(super) admission: Admission,
}

impl Monitor {
    /// Watches until the answer is dropped. A request that is stopped or killed before is told to
    /// the engine's `abort`.
    pub(super) fn start(self) -> DropGuard {
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let cut = self.admission.cut_token();
        let span = Span::current();
        tokio::spawn(async move {
            // Biased: a stream is often dropped because its request was stopped.
            let in_vain = tokio::select! {
                biased;
                () = cut.cancelled() => return self.live.cut(),
                in_vain = self.context.unwanted() => in_vain,
                () = ended.cancelled() => return,
            };
            if self.live.give_up_waiting() {
                return;
            }
            if self.live.is_finished() {
                // Only the end of its answer is still to be written.
                return tokio::select! {
                    biased;
                    () = cut.cancelled() => self.live.cut(),
                    () = ended.cancelled() => {}
                };
            }
            // A task of its own: the end of the stream must not drop it midway. A cut does.
            let (engine, context) = (self.engine, self.context.clone());
            let (aborting, at_cut) = (self.admission.aborting(), cut.clone());
            let abort = async move {
                tokio::select! {
                    biased;
                    () = engine.abort(context) => {}
                    () = at_cut.cancelled() => {}
                }
                drop(aborting);
            };
            let aborted = tokio::spawn(abort.instrument(span));
            let has_no_reader = async {
                // Told or crashed, the engine had its turn.
                let _ = aborted.await;
                // Who stopped a decode that was kept does not wait for its end.
                if !in_vain {
                    self.context.killed().await;
                }
                tokio::time::sleep(LAST_MOMENT).await;
            };
            tokio::select! {
                biased;
                () = cut.cancelled() => self.live.cut(),
                () = ended.cancelled() => {}
                () = has_no_reader => self.live.give_up(),
            }
        });
        guard
    }
}
