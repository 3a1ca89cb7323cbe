//! The event loop's end of an [`Outbox`]: a file descriptor that wakes the loop, and its turns.

use std::os::fd::RawFd;
use std::time::Duration;

use dynamo_backend_handoff::eventfd::EventFd;
use dynamo_backend_handoff::mailbox::{Bell, Mailbox};
use pyo3::prelude::*;

use crate::interpreter_end::Running;
use crate::logging;
use crate::outbox::{Message, Outbox};

/// What messages may take of one turn of the event loop: a burst of requests is not to keep the
/// streams that are there from their tokens.
const TURN: Duration = Duration::from_millis(1);

/// The event loop's end: its reader of the file descriptor calls `drain`.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct Inbox {
    mailbox: Mailbox<Message, EventFd>,
}

impl Inbox {
    pub(crate) fn open() -> PyResult<(Self, Outbox)> {
        let mailbox = Mailbox::new(EventFd::open(libc::EFD_NONBLOCK)?);
        let inbox = Self { mailbox };
        let outbox = inbox.outbox();
        Ok((inbox, outbox))
    }

    fn outbox(&self) -> Outbox {
        Outbox(self.mailbox.sender())
    }
}

#[pymethods]
impl Inbox {
    /// The file descriptor that turns readable when there are messages.
    fn fileno(&self) -> RawFd {
        self.mailbox.bell().number()
    }

    /// Runs what waits, in order, for a moment at most; the loop is woken again for the rest.
    fn drain(&self, py: Python<'_>) {
        self.mailbox.silence();
        let Some(_running) = Running::begin(py) else {
            return;
        };
        self.mailbox.turn(TURN, |message| {
            if let Err(error) = message(py) {
                error.write_unraisable(py, None);
            }
        });
    }

    /// Ends it, when nothing reads it any more: the log no longer comes this way.
    fn close(&self, py: Python<'_>) {
        logging::detach(&self.outbox());
        logging::flush_log(py);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if self.mailbox.bell().is_ours() {
            logging::detach(&self.outbox());
        }
    }
}
