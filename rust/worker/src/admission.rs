//! Who is in flight, and the end of those who must be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Counts requests in flight. Cheap to clone; all clones share one count.
#[derive(Clone, Default)]
pub(crate) struct Admission {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Requests in flight, and `CLOSED`: one word, so that nobody slips in beside the closing.
    gate: AtomicUsize,
    finished: AtomicU64,
    /// Calls of `abort` that run: what they clean up must not be cleaned up beside them.
    aborting: AtomicUsize,
    emptied: Notify,
    /// Requests whose answer has not begun.
    unanswered: AtomicUsize,
    answered: Notify,
    /// Whether an answer begins before there is a stream: the instance is about to leave discovery.
    at_once: watch::Sender<bool>,
    /// Cancelled, it is replaced when requests are admitted again.
    cut: Mutex<CancellationToken>,
}

const CLOSED: usize = 1 << (usize::BITS - 1);

impl Admission {
    /// Admits a request, which is in flight until the answer is dropped; `None` once closed.
    pub(crate) fn enter(&self) -> Option<Admitted> {
        let admit = |gate| (gate & CLOSED == 0).then_some(gate + 1);
        let admitted = self
            .shared
            .gate
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, admit);
        admitted.is_ok().then(|| Admitted {
            shared: self.shared.clone(),
            finishes: true,
        })
    }

    /// Admits nobody any more.
    pub(crate) fn close(&self) {
        self.shared.gate.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Admits nobody any more, unless a request is in flight; answers whether nobody is admitted.
    pub(crate) fn close_if_idle(&self) -> bool {
        let (order, failed) = (Ordering::AcqRel, Ordering::Acquire);
        match self.shared.gate.compare_exchange(0, CLOSED, order, failed) {
            Ok(_) => true,
            Err(gate) => gate == CLOSED,
        }
    }

    /// Admits requests again.
    pub(crate) fn open(&self) {
        let mut cut = self.shared.cut.lock();
        if cut.is_cancelled() {
            *cut = CancellationToken::new();
        }
        self.shared.gate.fetch_and(!CLOSED, Ordering::AcqRel);
    }

    /// A request is there whose answer has not begun, until what this answers with is dropped.
    pub(crate) fn unanswered(&self) -> Unanswered {
        self.shared.unanswered.fetch_add(1, Ordering::AcqRel);
        Unanswered {
            shared: self.shared.clone(),
        }
    }

    /// Has answers begin before there is a stream, from here on.
    pub(crate) fn answer_at_once(&self) {
        self.shared.at_once.send_replace(true);
    }

    /// Has answers begin with their stream, so that an engine's error is the answer.
    pub(crate) fn answer_in_turn(&self) {
        self.shared.at_once.send_replace(false);
    }

    /// Resolves where an answer is to begin before there is a stream.
    pub(crate) async fn answers_at_once(&self) {
        let mut at_once = self.shared.at_once.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = at_once.wait_for(|at_once| *at_once).await;
    }

    /// Resolves when every request's answer has begun.
    pub(crate) async fn all_answered(&self) {
        loop {
            let answered = self.shared.answered.notified();
            if self.shared.unanswered.load(Ordering::Acquire) == 0 {
                return;
            }
            answered.await;
        }
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.shared.gate.load(Ordering::Acquire) & !CLOSED
    }

    pub(crate) fn finished(&self) -> u64 {
        self.shared.finished.load(Ordering::Acquire)
    }

    /// An `abort` begins, and runs until the answer is dropped.
    pub(crate) fn aborting(&self) -> Aborting {
        self.shared.aborting.fetch_add(1, Ordering::AcqRel);
        Aborting {
            shared: self.shared.clone(),
        }
    }

    /// Resolves when nothing is in flight and nothing is being aborted.
    pub(crate) async fn idle(&self) {
        loop {
            // Listening first: who leaves after the look at the count is heard.
            let emptied = self.shared.emptied.notified();
            if self.in_flight() == 0 && self.shared.aborting.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Ends everything in flight; answers how many there were.
    pub(crate) fn cut(&self) -> usize {
        let count = self.in_flight();
        self.shared.cut.lock().cancel();
        count
    }

    /// Resolves when what is in flight now must be cut.
    pub(crate) async fn until_cut(&self) {
        let cut = self.cut_token();
        cut.cancelled().await
    }

    /// Flips when what is in flight must be cut.
    pub(crate) fn cut_token(&self) -> CancellationToken {
        self.shared.cut.lock().clone()
    }
}

/// One request in flight.
pub(crate) struct Admitted {
    shared: Arc<Shared>,
    finishes: bool,
}

impl Admitted {
    /// The request goes as it came: it is none of those that finished.
    pub(crate) fn refuse(mut self) {
        self.finishes = false;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if self.finishes {
            self.shared.finished.fetch_add(1, Ordering::AcqRel);
        }
        if self.shared.gate.fetch_sub(1, Ordering::AcqRel) & !CLOSED == 1 {
            self.shared.emptied.notify_waiters();
        }
    }
}

/// One request whose answer has not begun.
pub(crate) struct Unanswered {
    shared: Arc<Shared>,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if self.shared.unanswered.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.answered.notify_waiters();
        }
    }
}

/// One request that is being aborted.
pub(crate) struct Aborting {
    shared: Arc<Shared>,
}

impl Drop for Aborting {
    fn drop(&mut self) {
        if self.shared.aborting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn counts_requests_and_resolves_when_idle() {
        let admission = Admission::default();
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
    fn a_cut_counts_what_is_in_flight() {
        let admission = Admission::default();
        let _admitted = admission.enter().unwrap();
        assert_eq!(admission.cut(), 1);
        assert!(admission.cut_token().is_cancelled());
    }

    #[test]
    fn nobody_is_admitted_once_it_is_closed() {
        let admission = Admission::default();
        let early = admission.enter();
        admission.close();
        assert!(admission.enter().is_none());
        assert_eq!(admission.in_flight(), 1);
        drop(early);
        assert_eq!(admission.in_flight(), 0);
    }

    #[test]
    fn it_closes_by_itself_only_where_nothing_is_in_flight() {
        let admission = Admission::default();
        let admitted = admission.enter();
        assert!(!admission.close_if_idle());
        drop(admitted);
        assert!(admission.close_if_idle() && admission.close_if_idle());
        assert!(admission.enter().is_none());
    }

    #[test]
    fn who_is_admitted_again_is_not_cut_with_those_before() {
        let admission = Admission::default();
        let before = admission.cut_token();
        admission.close();
        admission.cut();
        admission.open();
        assert!(admission.enter().is_some());
        assert!(before.is_cancelled() && !admission.cut_token().is_cancelled());
    }

    #[tokio::test]
    async fn an_answer_that_has_not_begun_is_waited_for() {
        let admission = Admission::default();
        admission.all_answered().await;
        let unanswered = admission.unanswered();
        admission.answer_at_once();
        admission.answers_at_once().await;
        tokio::join!(admission.all_answered(), async { drop(unanswered) });
    }

    #[tokio::test]
    async fn who_waits_for_idle_is_told_after_the_closing_too() {
        let admission = Admission::default();
        let last = admission.enter();
        admission.close();
        let waiting = tokio::spawn({
            let admission = admission.clone();
            async move { admission.idle().await }
        });
        tokio::task::yield_now().await;
        drop(last);
        waiting.await.unwrap();
    }
}
