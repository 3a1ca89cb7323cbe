//! The chunks of one request, between the thread that makes them and the task that sends them.
//!
//! A queue of its own rather than tokio's: the reader takes all that waits at a time and is woken
//! only when it has found nothing, the writer's side can wait as whatever a [`Waiter`] is or as a
//! thread, an item is small until it is read, and tokens that wait are joined: those of a slow
//! client cost four bytes each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::origin::Origin;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Chunks that wait before the engine has to. The reader holds as many again.
pub const CAPACITY: usize = 64;

/// What may be joined with what comes behind it.
pub trait Join: Sized {
    /// Appends `next`, or answers it where it cannot be appended without loss.
    ///
    /// # Errors
    ///
    /// `next` as it was.
    fn join(&mut self, next: Self) -> Result<(), Self>;
}

impl<T: Join, E> Join for Result<T, E> {
    fn join(&mut self, next: Self) -> Result<(), Self> {
        match (self, next) {
            (Ok(item), Ok(next)) => item.join(next).map_err(Ok),
            (_, next) => Err(next),
        }
    }
}

/// Who waits for room without being a thread, as a future of an event loop does.
pub trait Waiter: Send {
    /// There is room; or, where it `is_abandoned`, nobody reads any more.
    fn resume(self, is_abandoned: bool);
}

/// Opens a queue. `wake` wakes its reader when the stream ends.
pub fn open<T: Join, W: Waiter>(wake: fn(Waker)) -> (Writer<T, W>, Reader<T, W>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            items: VecDeque::new(),
            unread: 0,
            in_a_row: 0,
            finished: false,
            abandoned: false,
            reader: None,
            waiting: None,
        }),
        room: Condvar::new(),
        wake,
        origin: Origin::here(),
    });
    let reader = Reader {
        shared: shared.clone(),
        taken: VecDeque::new(),
    };
    let end = Arc::new(WriteEnd { shared });
    (Writer { end }, reader)
}

struct Shared<T, W> {
    state: Mutex<State<T, W>>,
    /// For the thread that waits for room.
    room: Condvar,
    wake: fn(Waker),
    origin: Origin,
}

struct State<T, W> {
    items: VecDeque<T>,
    /// Chunks that were put and not read: more than `items`, where they were joined.
    unread: usize,
    /// Items in a row that were put without a pause.
    in_a_row: usize,
    /// Nothing more comes.
    finished: bool,
    /// Nobody reads any more.
    abandoned: bool,
    reader: Option<Waker>,
    waiting: Option<W>,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is taken, and there is room for the next.
    Taken,
    /// It is taken; before the next one its sender has to wait.
    Full,
    /// It is taken; others are to have a turn before the next one.
    Pause,
    /// The stream has ended, or nobody reads it; so it is in a forked child.
    Refused,
}

/// The end for items, which come from one thread at a time. With its last clone the stream ends.
pub struct Writer<T: Join, W: Waiter> {
    end: Arc<WriteEnd<T, W>>,
}

struct WriteEnd<T: Join, W: Waiter> {
    shared: Arc<Shared<T, W>>,
}

impl<T: Join, W: Waiter> Clone for Writer<T, W> {
    fn clone(&self) -> Self {
        Self {
            end: self.end.clone(),
        }
    }
}

impl<T: Join, W: Waiter> Writer<T, W> {
    /// Puts an item; `last` ends the stream. Never waits. Answers the reader too, where that is to be
    /// woken.
    pub fn put(&self, item: T, last: bool) -> (Put, Option<Waker>) {
        // Before the lock: a thread of the parent's may have held it when a child was forked.
        if !self.end.shared.origin.is_here() {
            return (Put::Refused, None);
        }
        let mut state = self.end.shared.state.lock();
        if state.finished || state.abandoned {
            return (Put::Refused, None);
        }
        state.finished = last;
        let joined = match state.items.back_mut() {
            Some(behind) => behind.join(item),
            None => Err(item),
        };
        if let Err(item) = joined {
            state.items.push_back(item);
        }
        state.unread += 1;
        state.in_a_row += 1;
        let put = if state.unread >= CAPACITY {
            Put::Full
        } else if state.in_a_row >= CAPACITY {
            Put::Pause
        } else {
            Put::Taken
        };
        if put != Put::Taken {
            state.in_a_row = 0;
        }
        (put, state.reader.take())
    }

    /// Chunks that were put and not read; `None` where nobody reads any more.
    pub fn unread(&self) -> Option<usize> {
        let state = self.end.shared.state.lock();
        (!state.abandoned).then_some(state.unread)
    }

    /// Ends the stream behind what was put.
    pub fn finish(&self) {
        self.end.finish();
    }

    /// Has `waiter` resumed when there is room.
    pub fn when_room(&self, waiter: W) {
        let mut state = self.end.shared.state.lock();
        if state.abandoned || state.unread < CAPACITY {
            let abandoned = state.abandoned;
            drop(state);
            waiter.resume(abandoned);
        } else {
            state.waiting = Some(waiter);
        }
    }

    /// Blocks until there is room; false where nobody reads any more.
    pub fn wait_for_room(&self) -> bool {
        let mut state = self.end.shared.state.lock();
        self.end.shared.room.wait_while(&mut state, |state| {
            state.unread >= CAPACITY && !state.abandoned
        });
        !state.abandoned
    }
}

impl<T: Join, W: Waiter> WriteEnd<T, W> {
    fn finish(&self) {
        if !self.shared.origin.is_here() {
            return;
        }
        let mut state = self.shared.state.lock();
        state.finished = true;
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            (self.shared.wake)(reader);
        }
    }
}

impl<T: Join, W: Waiter> Drop for WriteEnd<T, W> {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The end that is read.
pub struct Reader<T: Join, W: Waiter> {
    shared: Arc<Shared<T, W>>,
    taken: VecDeque<T>,
}

impl<T: Join, W: Waiter> Reader<T, W> {
    /// The next item; `None` when the stream has ended.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.taken.is_empty() {
            let mut state = self.shared.state.lock();
            if state.items.is_empty() {
                if state.finished {
                    return Poll::Ready(None);
                }
                if !matches!(&state.reader, Some(reader) if reader.will_wake(cx.waker())) {
                    state.reader = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
            std::mem::swap(&mut state.items, &mut self.taken);
            state.unread = 0;
            self.make_room(state);
        }
        Poll::Ready(self.taken.pop_front())
    }

    fn make_room(&self, mut state: MutexGuard<'_, State<T, W>>) {
        let (waiting, abandoned) = (state.waiting.take(), state.abandoned);
        drop(state);
        if let Some(waiter) = waiting {
            waiter.resume(abandoned);
        }
        self.shared.room.notify_all();
    }
}

impl<T: Join, W: Waiter> Drop for Reader<T, W> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.abandoned = true;
        let (unread, reader) = (std::mem::take(&mut state.items), state.reader.take());
        self.make_room(state);
        drop((unread, reader));
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests;
