//! Who is in flight, and the end of those who must be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Counts requests in flight. Cheap to clone; all clones share one count.
#[derive(Clone)]
pub(crate) struct Admission {
    in_flight: Arc<watch::Sender<usize>>,
    finished: Arc<AtomicU64>,
    cut: CancellationToken,
}

impl Admission {
    pub(crate) fn new() -> Self {
        Self {
            in_flight: Arc::new(watch::Sender::new(0)),
            finished: Arc::default(),
            cut: CancellationToken::new(),
        }
    }

    /// Admits a request; it is in flight until the answer is dropped.
    pub(crate) fn enter(&self) -> Admitted {
        self.in_flight.send_modify(|count| *count += 1);
        Admitted {
            admission: self.clone(),
        }
    }

    pub(crate) fn in_flight(&self) -> usize {
        *self.in_flight.borrow()
    }

    pub(crate) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Resolves when nothing is in flight.
    pub(crate) async fn idle(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self
            .in_flight
            .subscribe()
            .wait_for(|count| *count == 0)
            .await;
    }

    /// Ends everything in flight, and whatever still comes; answers how many there were.
    pub(crate) fn cut(&self) -> usize {
        let count = self.in_flight();
        self.cut.cancel();
        count
    }
}

/// One request in flight.
pub(crate) struct Admitted {
    admission: Admission,
}

impl Admitted {
    /// Flips when the request must be cut.
    pub(crate) fn cut_token(&self) -> CancellationToken {
        self.admission.cut.clone()
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.finished.fetch_add(1, Ordering::Relaxed);
        self.admission.in_flight.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn counts_requests_and_resolves_when_idle() {
        let admission = Admission::new();
        admission.idle().await;
        let first = admission.enter();
        let second = admission.enter();
        assert_eq!(admission.in_flight(), 2);
        drop(first);
        assert_eq!((admission.in_flight(), admission.finished()), (1, 1));
        let (idle, ()) = tokio::join!(admission.idle(), async { drop(second) });
        assert_eq!(idle, ());
    }

    #[test]
    fn a_cut_reaches_requests_in_flight_and_later_ones() {
        let admission = Admission::new();
        let early = admission.enter();
        assert_eq!(admission.cut(), 1);
        assert!(early.cut_token().is_cancelled());
        assert!(admission.enter().cut_token().is_cancelled());
    }
}
