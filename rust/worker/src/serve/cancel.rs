//! Tells the engine when a request is no longer wanted, and cuts it at the end of a shutdown.

use std::sync::Arc;
use std::time::Duration;

use tracing::{Instrument, Span};

use super::in_flight::Request;
use super::kind::Serves;
use crate::admission::Admission;
use crate::engine::RequestContext;

/// What an engine has for ending a stream that nobody reads any more.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Watches a request until it is over. One that is stopped or killed before is told to the engine's
/// `abort`.
pub(super) fn watch<E: Serves + ?Sized>(
    request: Arc<Request<E::Item>>,
    context: RequestContext,
    engine: Arc<E>,
    admission: Admission,
) {
    let cut = admission.cut_token();
    let span = Span::current();
    tokio::spawn(async move {
        // Biased: a stream is often dropped because its request was stopped.
        let in_vain = tokio::select! {
            biased;
            () = cut.cancelled() => return request.cut(),
            in_vain = context.unwanted() => in_vain,
            () = request.over() => return,
        };
        if request.give_up_waiting() {
            return;
        }
        if request.is_finished() {
            // Only the end of its answer is still to be written.
            return tokio::select! {
                biased;
                () = cut.cancelled() => request.cut(),
                () = request.over() => {}
            };
        }
        // A task of its own: the end of the stream must not drop it midway. A cut does.
        let (aborting, at_cut) = (admission.aborting(), cut.clone());
        let unwanted = context.clone();
        let abort = async move {
            tokio::select! {
                biased;
                () = engine.stop(unwanted) => {}
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
                context.killed().await;
            }
            tokio::time::sleep(LAST_MOMENT).await;
        };
        tokio::select! {
            biased;
            () = cut.cancelled() => request.cut(),
            () = request.over() => {}
            () = has_no_reader => request.give_up(),
        }
    });
}
