//! The open streams of a step loop, for whoever hands over to them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use dynamo_backend_handoff::notify::{Notice, Notify};
use dynamo_backend_worker::{DynamoError, RequestContext as Inner};
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::buffer::{WAKEUPS, Writer};
use crate::convert::reading::Reading;

/// The streams, for whoever hands over to them: Python, or a thread without the GIL.
#[derive(Default)]
pub(crate) struct Shared {
    pub(super) streams: Mutex<Streams>,
    /// Streams that a push closed, but did not tell Python of: the next one does.
    untold: Mutex<Vec<u64>>,
    /// Wakes the step loop that waits.
    pub(super) notify: Arc<Notify>,
}

#[derive(Default)]
pub(super) struct Streams {
    pub(super) open: HashMap<u64, Open>,
    /// Those that the last report has as stalled.
    pub(super) stalled: Vec<u64>,
    /// What all of them failed with, and what is opened from then on.
    pub(super) failed: Option<DynamoError>,
}

pub(super) struct Open {
    pub(super) writer: Writer,
    pub(super) request: Arc<Request>,
    /// Shared with the stream's handle.
    pub(super) is_open: Arc<AtomicBool>,
}

/// Whose a stream is.
pub(crate) struct Request {
    pub(super) context: Inner,
    pub(super) reading: Arc<Reading>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.is_open.store(false, Ordering::Relaxed);
    }
}

impl Shared {
    /// Has Python's next push tell that these streams are cancelled.
    pub(crate) fn tell(&self, cancelled: impl IntoIterator<Item = u64>) {
        self.untold.lock().extend(cancelled);
        self.notify.notify(Notice::Look);
    }

    pub(super) fn untold(&self) -> Vec<u64> {
        std::mem::take(&mut self.untold.lock())
    }

    /// Fails every stream that is open, and each that is opened from here on; answers whose they were.
    pub(crate) fn fail(&self, error: &DynamoError) -> Vec<Arc<Request>> {
        let mut streams = self.streams.lock();
        let failed = std::mem::take(&mut streams.open);
        streams.failed.get_or_insert_with(|| error.clone());
        drop(streams);
        let ends = failed.values().filter_map(|open| {
            let item = Err(Box::new(error.clone()));
            open.writer.put(item, true).1
        });
        WAKEUPS.wake(ends.collect::<Vec<Waker>>());
        self.notify.notify(Notice::Wake);
        failed.values().map(|open| open.request.clone()).collect()
    }
}

/// What a push tells the engine.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct StepReport {
    /// Streams that nobody wants any more: they are closed.
    #[pyo3(get)]
    pub(crate) cancelled: Vec<u64>,
    /// Streams whose clients are far behind, in this step or not.
    #[pyo3(get)]
    pub(super) stalled: Vec<u64>,
}

#[pymethods]
impl StepReport {
    fn __repr__(&self) -> String {
        format!(
            "StepReport(cancelled={:?}, stalled={:?})",
            self.cancelled, self.stalled
        )
    }
}
