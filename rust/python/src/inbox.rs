//! The event loop's end of an [`Outbox`]: a file descriptor that wakes the loop, and its turns.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::eventfd::EventFd;
use crate::interpreter_end::Running;
use crate::logging;
use crate::outbox::{Message, Outbox, Shared};

/// What messages may take of one turn of the event loop: a burst of requests is not to keep the
/// streams that are there from their tokens.
const TURN: Duration = Duration::from_millis(1);

/// The event loop's end: its reader of the file descriptor calls `drain`.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct Inbox {
    shared: Arc<Shared>,
    /// What an earlier turn left, older than all that is shared.
    left: Mutex<VecDeque<Message>>,
    gone: CancellationToken,
}

impl Inbox {
    pub(crate) fn open() -> PyResult<(Self, Outbox)> {
        let wake = EventFd::open(libc::EFD_NONBLOCK)?;
        let shared = Arc::new(Shared {
            messages: Mutex::default(),
            woken: AtomicBool::new(false),
            wake,
        });
        let inbox = Self {
            shared,
            left: Mutex::default(),
            gone: CancellationToken::new(),
        };
        let outbox = inbox.outbox();
        Ok((inbox, outbox))
    }

    fn outbox(&self) -> Outbox {
        Outbox {
            shared: Arc::downgrade(&self.shared),
            gone: self.gone.clone(),
        }
    }
}

#[pymethods]
impl Inbox {
    /// The file descriptor that turns readable when there are messages.
    fn fileno(&self) -> RawFd {
        self.shared.wake.number()
    }

    /// Runs what waits, in order, for a moment at most; the loop is woken again for the rest.
    fn drain(&self, py: Python<'_>) {
        self.shared.wake.read();
        let Some(_running) = Running::begin(py) else {
            return;
        };
        let mut messages = std::mem::take(&mut *self.left.lock());
        let goes_on = !messages.is_empty();
        if !goes_on {
            self.shared.woken.store(false, Ordering::Release);
            std::mem::swap(&mut messages, &mut *self.shared.messages.lock());
        }
        let end = Instant::now() + TURN;
        while let Some(message) = messages.pop_front() {
            if let Err(error) = message(py) {
                error.write_unraisable(py, None);
            }
            if Instant::now() >= end {
                break;
            }
        }
        // What was posted while something was left has woken nobody for this turn.
        if !messages.is_empty() || (goes_on && self.shared.woken.load(Ordering::Acquire)) {
            self.shared.wake.wake();
        }
        // A message may have run a turn of its own, and left what is newer.
        let mut left = self.left.lock();
        messages.append(&mut left);
        *left = messages;
    }

    /// Ends it, when nothing reads it any more: the log no longer comes this way.
    fn close(&self, py: Python<'_>) {
        logging::detach(&self.outbox());
        logging::flush_log(py);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if self.shared.wake.is_ours() {
            logging::detach(&self.outbox());
            self.gone.cancel();
        }
    }
}
