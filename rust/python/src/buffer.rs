//! The chunks of one request, between the Python thread that makes them and the tokio task that
//! sends them.

use std::sync::Arc;
use std::task::Waker;

use dynamo_backend_handoff::notify::{Notice, Notify};
use dynamo_backend_handoff::queue::{self, Waiter};
use dynamo_backend_handoff::wakeups::Wakeups;
use pyo3::prelude::*;

use crate::calls::resolve;
use crate::chunk::Item;
use crate::outbox::Outbox;

pub(crate) type Writer = queue::Writer<Item, Room>;
pub(crate) type Reader = queue::Reader<Item, Room>;

/// The readers of this process that are to be woken.
pub(crate) static WAKEUPS: Wakeups = Wakeups::new();

pub(crate) fn open() -> (Writer, Reader) {
    queue::open(|reader: Waker| WAKEUPS.wake([reader]))
}

/// Who waits for room.
pub(crate) enum Room {
    /// A future of the event loop: it gives None, or False where nobody reads.
    Future { future: Py<PyAny>, outbox: Outbox },
    /// A step loop that sleeps.
    Steps(Arc<Notify>),
}

impl Waiter for Room {
    fn resume(self, is_abandoned: bool) {
        match self {
            Self::Future { future, outbox } => outbox.post(move |py| {
                let answer = is_abandoned.then_some(false).into_pyobject(py)?.unbind();
                resolve(future.bind(py), Ok(answer))
            }),
            Self::Steps(notify) => notify.notify(Notice::Look),
        }
    }
}
