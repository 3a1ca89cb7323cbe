//! Posts messages from Rust's threads to the event loop's.

use dynamo_backend_handoff::eventfd::EventFd;
use dynamo_backend_handoff::mailbox::Sender;
use pyo3::prelude::*;

/// Runs on the event loop's thread, under the GIL that it holds there.
pub(crate) type Message = Box<dyn FnOnce(Python<'_>) -> PyResult<()> + Send>;

/// Posts messages to one event loop, from any thread, without the GIL. Once the loop's end is gone,
/// a message is dropped; so it is in a forked child.
#[derive(Clone)]
pub(crate) struct Outbox(pub(crate) Sender<Message, EventFd>);

impl Outbox {
    /// Whether both post to one event loop.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }

    /// Resolves when the loop's end is gone: what was posted may never run.
    pub(crate) async fn gone(&self) {
        self.0.gone().await
    }

    pub(crate) fn post(&self, message: impl FnOnce(Python<'_>) -> PyResult<()> + Send + 'static) {
        self.0.post(Box::new(message));
    }
}
