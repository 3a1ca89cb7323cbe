//! The clock of a shutdown: it starts once, when shutdown begins, by whatever way.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::host::Observer;

/// Tells the observer, once, that the deadline runs from now on.
pub(crate) struct Clock<'a, O: ?Sized> {
    observer: &'a O,
    deadline: Duration,
    began: Option<Instant>,
}

impl<'a, O: Observer + ?Sized> Clock<'a, O> {
    pub(crate) fn new(observer: &'a O, deadline: Duration) -> Self {
        Self {
            observer,
            deadline,
            began: None,
        }
    }

    /// Shutdown begins, if it has not yet.
    pub(crate) fn begin(&mut self) {
        if self.began.is_none() {
            let ago = self.observer.shutdown_began(self.deadline);
            let now = Instant::now();
            self.began = Some(now.checked_sub(ago).unwrap_or(now));
        }
    }

    /// Time since shutdown began; zero before.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// Lets `work` finish; begins at once when `shutdown` flips meanwhile.
    pub(crate) async fn watch<F: Future>(
        &mut self,
        shutdown: &CancellationToken,
        work: F,
    ) -> F::Output {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            () = shutdown.cancelled(), if self.began.is_none() => self.begin(),
            output = &mut work => return output,
        }
        work.await
    }
}
