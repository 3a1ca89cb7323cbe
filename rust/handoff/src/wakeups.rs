//! Readers that are to be woken: one wake-up of tokio for all that come meanwhile.
//!
//! A reader that is woken from outside of tokio costs system calls where tokio sleeps, and tokio
//! sleeps between two tokens. So readers are woken by a task of tokio's own, the dispatcher, which is
//! woken in their place: once for all that come before it has run. Where it runs at once, as on one
//! core, that is no help: so of what an event loop makes ready in one burst only the first wakes it,
//! and the rest waits for the end of the loop's iteration, or for a moment where that takes long.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep};

/// What comes no later than this behind another reader is of the same burst.
const GAP: Duration = Duration::from_micros(200);
/// How long what waits for the end of an iteration waits at most, as exactly as tokio's timers are.
const MOMENT: Duration = Duration::from_millis(1);

/// The readers of a process that wait to be woken.
pub struct Wakeups {
    waiting: Mutex<Waiting>,
}

struct Waiting {
    readers: Vec<Waker>,
    /// While the dispatcher sleeps.
    dispatcher: Option<Waker>,
    /// When the last reader of an event loop came.
    last: Option<Instant>,
    /// The dispatcher looks by itself, until nothing comes any more.
    in_burst: bool,
}

impl Wakeups {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                readers: Vec::new(),
                dispatcher: None,
                last: None,
                in_burst: false,
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

    /// Has `reader` woken: at once, or with others. True: [`flush`](Self::flush) is to be called when the event loop's
    /// iteration ends.
    pub fn wake_in_burst(&self, reader: Waker) -> bool {
        let now = Instant::now();
        let mut waiting = self.waiting.lock();
        waiting.readers.push(reader);
        let last = waiting.last.replace(now);
        let goes_on = last.is_some_and(|last| now.duration_since(last) < GAP);
        if goes_on && waiting.in_burst {
            return true;
        }
        // The second of a burst wakes too, so that the dispatcher looks by itself from here on.
        waiting.in_burst = goes_on;
        let dispatcher = waiting.dispatcher.take();
        drop(waiting);
        if let Some(dispatcher) = dispatcher {
            dispatcher.wake();
        }
        goes_on
    }

    /// A burst is over: what waits is woken.
    pub fn flush(&self) {
        let mut waiting = self.waiting.lock();
        waiting.in_burst = false;
        let dispatcher = match waiting.readers.is_empty() {
            true => None,
            false => waiting.dispatcher.take(),
        };
        drop(waiting);
        if let Some(dispatcher) = dispatcher {
            dispatcher.wake();
        }
    }

    /// Wakes what waits, for as long as the process lives.
    pub async fn dispatch(&self) {
        let mut readers = Vec::new();
        let mut moment = None;
        poll_fn(|cx| self.turn(&mut readers, &mut moment, cx)).await
    }

    fn turn(
        &self,
        readers: &mut Vec<Waker>,
        moment: &mut Option<Pin<Box<Sleep>>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let is_over = |moment: &mut Pin<Box<Sleep>>| moment.as_mut().poll(cx).is_ready();
        let looks_again = moment.as_mut().is_some_and(is_over);
        if looks_again {
            *moment = None;
        }
        let mut waiting = self.waiting.lock();
        if !waiting.readers.is_empty() {
            std::mem::swap(&mut waiting.readers, readers);
            drop(waiting);
            readers.drain(..).for_each(Waker::wake);
            // Behind the readers' own turns: what comes meanwhile needs no wake-up.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Where nothing came for a moment the burst is over.
        waiting.in_burst &= !looks_again;
        waiting.dispatcher = Some(cx.waker().clone());
        if waiting.in_burst && moment.is_none() {
            let mut next = Box::pin(sleep(MOMENT));
            // Not over yet; now it wakes the dispatcher when it is.
            let _ = next.as_mut().poll(cx);
            *moment = Some(next);
        }
        Poll::Pending
    }
}

impl Default for Wakeups {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
