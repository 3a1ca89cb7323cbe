//! Readers that are to be woken: one wake-up of tokio for all that come meanwhile.
//!
//! A reader that is woken from outside of tokio costs system calls where tokio sleeps, and tokio
//! sleeps between two tokens. So readers are woken by a task of tokio's own, the dispatcher, which is
//! woken in their place: once for all that an event loop or a step loop makes ready before it has run.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use crate::sync::Mutex;

/// The readers of a process that wait to be woken.
#[derive(Default)]
pub struct Wakeups {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    readers: Vec<Waker>,
    /// While the dispatcher sleeps.
    dispatcher: Option<Waker>,
}

impl Wakeups {
    /// None yet. Loom's locks are not made at compile time.
    #[cfg(not(feature = "loom"))]
    pub const fn new() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                readers: Vec::new(),
                dispatcher: None,
            }),
        }
    }

    /// Has `readers` woken.
    pub fn wake(&self, readers: impl IntoIterator<Item = Waker>) {
        let mut readers = readers.into_iter();
        let Some(first) = readers.next() else {
            return;
        };
        let mut waiting = self.waiting.lock();
        waiting.readers.push(first);
        waiting.readers.extend(readers);
        let dispatcher = waiting.dispatcher.take();
        drop(waiting);
        if let Some(dispatcher) = dispatcher {
            dispatcher.wake();
        }
    }

    /// Wakes what waits, for as long as it is polled.
    pub async fn dispatch(&self) {
        let mut readers = Vec::new();
        poll_fn(|cx| self.turn(&mut readers, cx)).await
    }

    fn turn(&self, readers: &mut Vec<Waker>, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting.lock();
        if waiting.readers.is_empty() {
            waiting.dispatcher = Some(cx.waker().clone());
            return Poll::Pending;
        }
        std::mem::swap(&mut waiting.readers, readers);
        drop(waiting);
        readers.drain(..).for_each(Waker::wake);
        // Behind the readers' own turns: what comes meanwhile needs no wake-up.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Counted {
        fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn one_wake_up_serves_all_readers_until_the_dispatcher_has_run() {
        let wakeups = Wakeups::new();
        let (dispatcher, reader) = (Arc::<Counted>::default(), Arc::<Counted>::default());
        let dispatching = Waker::from(dispatcher.clone());
        let cx = &mut Context::from_waker(&dispatching);
        let woken = || Waker::from(reader.clone());
        let mut readers = Vec::new();
        let mut turn = || assert!(wakeups.turn(&mut readers, cx).is_pending());

        turn();
        wakeups.wake(None);
        assert_eq!(dispatcher.count(), 0);
        wakeups.wake([woken(), woken()]);
        wakeups.wake([woken()]);
        assert_eq!((dispatcher.count(), reader.count()), (1, 0));
        turn();
        // It has woken itself: it does not sleep yet.
        assert_eq!((dispatcher.count(), reader.count()), (2, 3));
        wakeups.wake([woken()]);
        assert_eq!(dispatcher.count(), 2);
        turn();
        assert_eq!((dispatcher.count(), reader.count()), (3, 4));
        turn();
        wakeups.wake([woken()]);
        assert_eq!(dispatcher.count(), 4);
    }
}
