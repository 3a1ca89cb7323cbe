//! Readers that are to be woken: one wake-up of tokio for all that come meanwhile.
//!
//! A reader that is woken from outside of tokio costs a system call where tokio sleeps, and tokio
//! sleeps between two tokens. So readers are woken by a task of tokio's own, which is woken in their
//! place: once for all that an event loop or a step loop makes ready before it has run.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

static WAITING: Mutex<Waiting> = Mutex::new(Waiting {
    readers: Vec::new(),
    dispatcher: None,
});

struct Waiting {
    readers: Vec<Waker>,
    /// While the dispatcher sleeps.
    dispatcher: Option<Waker>,
}

/// Has `readers` woken.
pub(crate) fn wake(readers: impl IntoIterator<Item = Waker>) {
    let mut readers = readers.into_iter();
    let Some(first) = readers.next() else {
        return;
    };
    let mut waiting = WAITING.lock();
    waiting.readers.push(first);
    waiting.readers.extend(readers);
    let dispatcher = waiting.dispatcher.take();
    drop(waiting);
    if let Some(dispatcher) = dispatcher {
        dispatcher.wake();
    }
}

/// Wakes what waits, for as long as the process lives.
pub(crate) async fn dispatch() {
    let mut readers = Vec::new();
    poll_fn(|cx| turn(&mut readers, cx)).await
}

fn turn(readers: &mut Vec<Waker>, cx: &mut Context<'_>) -> Poll<()> {
    let mut waiting = WAITING.lock();
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
