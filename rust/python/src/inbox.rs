//! From Rust's threads to the event loop's: messages, and a file descriptor that wakes the loop.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::eventfd::EventFd;
use crate::interpreter_end::Running;

/// Runs on the event loop's thread, under the GIL that it holds there.
pub(crate) type Message = Box<dyn FnOnce(Python<'_>) -> PyResult<()> + Send>;

/// Posts messages to one event loop, from any thread, without the GIL. Once the loop's end is gone,
/// a message is dropped.
#[derive(Clone)]
pub(crate) struct Outbox {
    shared: Weak<Shared>,
}

struct Shared {
    messages: Mutex<Vec<Message>>,
    /// Whether the loop was woken for what is in `messages`: one wake-up serves many messages.
    woken: AtomicBool,
    wake: EventFd,
}

impl Outbox {
    /// Whether both post to one event loop.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.shared.ptr_eq(&other.shared)
    }

    pub(crate) fn post(&self, message: impl FnOnce(Python<'_>) -> PyResult<()> + Send + 'static) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        shared.messages.lock().push(Box::new(message));
        if !shared.woken.swap(true, Ordering::AcqRel) {
            shared.wake.wake();
        }
    }
}

/// The event loop's end: its reader of the file descriptor calls `drain`.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct Inbox {
    shared: Arc<Shared>,
}

impl Inbox {
    pub(crate) fn open() -> PyResult<(Self, Outbox)> {
        let wake = EventFd::open(libc::EFD_NONBLOCK)?;
        let shared = Arc::new(Shared {
            messages: Mutex::default(),
            woken: AtomicBool::new(false),
            wake,
        });
        let outbox = Outbox {
            shared: Arc::downgrade(&shared),
        };
        Ok((Self { shared }, outbox))
    }
}

#[pymethods]
impl Inbox {
    /// The file descriptor that turns readable when there are messages.
    fn fileno(&self) -> RawFd {
        self.shared.wake.number()
    }

    /// Runs every message that waits, in order.
    fn drain(&self, py: Python<'_>) {
        self.shared.wake.read();
        let Some(_running) = Running::begin(py) else {
            return;
        };
        self.shared.woken.store(false, Ordering::Release);
        let messages = std::mem::take(&mut *self.shared.messages.lock());
        for message in messages {
            if let Err(error) = message(py) {
                error.write_unraisable(py, None);
            }
        }
    }

    /// Ends it, when nothing reads it any more: the log no longer comes this way.
    fn close(&self, py: Python<'_>) {
        let outbox = Outbox {
            shared: Arc::downgrade(&self.shared),
        };
        crate::logging::detach(py, &outbox);
    }
}
