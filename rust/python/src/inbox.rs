//! From Rust's threads to the event loop's: messages, and a file descriptor that wakes the loop.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use pyo3::prelude::*;

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
    wake: OwnedFd,
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
            let one = 1_u64;
            // SAFETY: an eventfd takes the 8 bytes of `one`. It fails only where the counter would
            // overflow, and then it is readable all the same.
            unsafe {
                libc::write(shared.wake.as_raw_fd(), (&raw const one).cast(), 8);
            }
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
        // SAFETY: eventfd takes no pointer; what it answers is checked and owned from here on.
        let wake = unsafe {
            let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            if fd < 0 {
                return Err(std::io::Error::last_os_error().into());
            }
            OwnedFd::from_raw_fd(fd)
        };
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
        self.shared.wake.as_raw_fd()
    }

    /// Runs every message that waits, in order.
    fn drain(&self, py: Python<'_>) {
        let mut counter = 0_u64;
        // SAFETY: an eventfd gives 8 bytes, or fails because it is not readable.
        unsafe {
            libc::read(self.shared.wake.as_raw_fd(), (&raw mut counter).cast(), 8);
        }
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
