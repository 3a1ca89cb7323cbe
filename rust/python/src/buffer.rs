//! The chunks of one request, between the Python thread that makes them and the tokio task that
//! sends them.

use std::task::Waker;

use dynamo_backend_handoff::queue::{self, Waiter};
use dynamo_backend_handoff::wakeups::Wakeups;
use pyo3::prelude::*;

use crate::calls::resolve;
use crate::chunk::Item;
use crate::outbox::Outbox;

pub(crate) type Writer = queue::Writer<Item, RoomFuture>;
pub(crate) type Reader = queue::Reader<Item, RoomFuture>;

/// The readers of this process that are to be woken.
pub(crate) static WAKEUPS: Wakeups = Wakeups::new();

pub(crate) fn open() -> (Writer, Reader) {
    queue::open(|reader: Waker| WAKEUPS.wake([reader]))
}

/// A future of the event loop that waits for room: it gives None, or False where nobody reads.
pub(crate) struct RoomFuture {
    pub(crate) future: Py<PyAny>,
    pub(crate) outbox: Outbox,
}

impl Waiter for RoomFuture {
    fn resume(self, is_abandoned: bool) {
        let Self { future, outbox } = self;
        outbox.post(move |py| {
            let answer = is_abandoned.then_some(false).into_pyobject(py)?.unbind();
            resolve(future.bind(py), Ok(answer))
        });
    }
}
