//! Asking a worker to shut down.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::deadline::Deadline;

/// Asks one worker to shut down. Cheap to clone: all clones speak of that worker.
///
/// ```
/// use dynamo_backend_worker::Shutdown;
///
/// let shutdown = Shutdown::default();
/// shutdown.ask();
/// shutdown.ask(); // changes nothing
/// assert!(shutdown.is_asked());
/// ```
#[derive(Clone, Default)]
pub struct Shutdown {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    token: CancellationToken,
    by_signal: AtomicBool,
    /// Of the run, once it has begun.
    deadline: OnceLock<Arc<Deadline>>,
}

impl Shutdown {
    /// Asks for shutdown, before or during the run, from any thread. During the run its deadline
    /// counts from here. Repeating it changes nothing.
    pub fn ask(&self) {
        // First of all: it holds with every tokio thread blocked.
        if let Some(deadline) = self.inner.deadline.get() {
            deadline.arm();
        }
        self.inner.token.cancel();
    }

    pub(crate) fn ask_by_signal(&self) {
        if !self.is_asked() {
            self.inner.by_signal.store(true, Ordering::Relaxed);
        }
        self.ask();
    }

    /// Whether shutdown was asked for.
    pub fn is_asked(&self) -> bool {
        self.inner.token.is_cancelled()
    }

    /// Waits until shutdown is asked for.
    pub async fn asked(&self) {
        self.inner.token.cancelled().await;
    }

    /// Whether it was a signal that asked first.
    pub fn came_by_signal(&self) -> bool {
        self.inner.by_signal.load(Ordering::Relaxed)
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.inner.token
    }

    /// The run begins; it ends by this deadline once shutdown is asked for.
    pub(crate) fn begin(&self, deadline: Arc<Deadline>) {
        // A worker runs once.
        let _ = self.inner.deadline.set(deadline);
        if self.is_asked() {
            self.ask();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_shutdown_that_was_asked_for_before_the_run_has_its_deadline_too() {
        let after = Duration::from_secs(3600);
        let deadline = Deadline::new(after).unwrap();
        let shutdown = Shutdown::default();
        shutdown.ask();
        shutdown.begin(deadline.clone());
        assert!(deadline.left() < after);
        deadline.call_off();
    }
}
