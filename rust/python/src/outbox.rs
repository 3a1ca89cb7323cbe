//! Posts messages from Rust's threads to the event loop's.

use std::collections::VecDeque;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use pyo3::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::eventfd::EventFd;

/// Runs on the event loop's thread, under the GIL that it holds there.
pub(crate) type Message = Box<dyn FnOnce(Python<'_>) -> PyResult<()> + Send>;

/// Posts messages to one event loop, from any thread, without the GIL. Once the loop's end is gone,
/// a message is dropped; so it is in a forked child.
#[derive(Clone)]
pub(crate) struct Outbox {
    pub(crate) shared: Weak<Shared>,
    pub(crate) gone: CancellationToken,
}

pub(crate) struct Shared {
    pub(crate) messages: Mutex<VecDeque<Message>>,
    /// Whether the loop was woken for what is in `messages`: one wake-up serves many messages.
    pub(crate) woken: AtomicBool,
    pub(crate) wake: EventFd,
}

impl Outbox {
    /// Whether both post to one event loop.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.shared.ptr_eq(&other.shared)
    }

    /// Resolves when the loop's end is gone: what was posted may never run.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await
    }

    pub(crate) fn post(&self, message: impl FnOnce(Python<'_>) -> PyResult<()> + Send + 'static) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        if !shared.wake.is_ours() {
            return;
        }
        shared.messages.lock().push_back(Box::new(message));
        if !shared.woken.swap(true, Ordering::AcqRel) {
            shared.wake.wake();
        }
    }
}
