//! Who is in flight, and the end of those who must be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Counts requests in flight. Cheap to clone; all clones share one count.
#[derive(Clone)]
pub(crate) struct Admission {
    gate: Arc<watch::Sender<Gate>>,
    finished: Arc<AtomicU64>,
    cut: CancellationToken,
}

#[derive(Default)]
struct Gate {
    in_flight: usize,
    closed: bool,
}

impl Admission {
    pub(crate) fn new() -> Self {
        Self {
            gate: Arc::default(),
            finished: Arc::default(),
            cut: CancellationToken::new(),
        }
    }

    /// Admits a request, which is in flight until the answer is dropped; `None` once closed.
    pub(crate) fn enter(&self) -> Option<Admitted> {
        let admitted = self.gate.send_if_modified(|gate| {
            gate.in_flight += usize::from(!gate.closed);
            !gate.closed
        });
        admitted.then(|| Admitted {
            admission: self.clone(),
        })
    }

    /// Admits nobody any more.
    pub(crate) fn close(&self) {
        self.gate.send_modify(|gate| gate.closed = true);
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.gate.borrow().in_flight
    }

    pub(crate) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Resolves when nothing is in flight.
    pub(crate) async fn idle(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let mut gate = self.gate.subscribe();
        let _ = gate.wait_for(|gate| gate.in_flight == 0).await;
    }

    /// Ends everything in flight; answers how many there were.
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
        self.admission.gate.send_modify(|gate| gate.in_flight -= 1);
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
    fn a_cut_reaches_requests_in_flight() {
        let admission = Admission::new();
        let admitted = admission.enter().unwrap();
        assert_eq!(admission.cut(), 1);
        assert!(admitted.cut_token().is_cancelled());
    }

    #[test]
    fn nobody_is_admitted_once_it_is_closed() {
        let admission = Admission::new();
        let early = admission.enter();
        admission.close();
        assert!(admission.enter().is_none());
        assert_eq!(admission.in_flight(), 1);
        drop(early);
        assert_eq!(admission.in_flight(), 0);
    }
}
