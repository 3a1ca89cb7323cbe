//! The chunks of one request, between the Python thread that makes them and the tokio task that
//! reads them.
//!
//! A queue of its own rather than tokio's: the reader takes all that waits at a time and is woken
//! only when it has found nothing, the writer's side can wait as a future of the event loop or as
//! a thread, an item is small until it is read, and tokens that wait are joined: those of a slow
//! client cost four bytes each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use dynamo_backend_worker::{DynamoError, LLMEngineOutput};
use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;

use crate::calls::resolve;
use crate::chunk::Chunk;
use crate::fork::Origin;
use crate::outbox::Outbox;
use crate::wakeups;

/// Chunks that wait before the engine has to. The reader holds as many again.
pub(crate) const CAPACITY: usize = 64;

pub(crate) type Item = Result<Chunk, Box<DynamoError>>;

/// Opens a buffer; futures of the event loop are resolved by way of `outbox`.
pub(crate) fn open(outbox: Outbox) -> (Writer, Reader) {
    let shared = Arc::new(Shared {
        state: Mutex::default(),
        room: Condvar::new(),
        outbox,
        origin: Origin::here(),
    });
    let reader = Reader {
        shared: shared.clone(),
        taken: VecDeque::new(),
    };
    let end = Arc::new(WriteEnd { shared });
    (Writer { end }, reader)
}

struct Shared {
    state: Mutex<State>,
    /// For the thread that waits for room.
    room: Condvar,
    outbox: Outbox,
    origin: Origin,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    /// Chunks that were put and not read: more than `items`, where they were joined.
    unread: usize,
    /// Items in a row that were put without a pause.
    in_a_row: usize,
    /// Nothing more comes.
    finished: bool,
    /// Nobody reads any more.
    abandoned: bool,
    reader: Option<Waker>,
    /// A future of the event loop that waits for room.
    waiting: Option<Py<PyAny>>,
}

/// What became of an item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
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
#[derive(Clone)]
pub(crate) struct Writer {
    end: Arc<WriteEnd>,
}

struct WriteEnd {
    shared: Arc<Shared>,
}

impl Writer {
    /// Puts an item; `last` ends the stream. Never waits.
    pub(crate) fn put(&self, item: Item, last: bool) -> Put {
        let (put, reader) = self.put_quietly(item, last);
        wakeups::wake(reader);
        put
    }

    /// [`put`](Self::put) that leaves it to the caller to wake the reader.
    pub(crate) fn put_quietly(&self, item: Item, last: bool) -> (Put, Option<Waker>) {
        // Before the lock: a thread of the parent's may have held it when a child was forked.
        if !self.end.shared.origin.is_here() {
            return (Put::Refused, None);
        }
        let mut state = self.end.shared.state.lock();
        if state.finished || state.abandoned {
            return (Put::Refused, None);
        }
        state.finished = last;
        let joined = match (state.items.back_mut(), item) {
            (Some(Ok(behind)), Ok(chunk)) => behind.join(chunk).map_err(Ok),
            (_, item) => Err(item),
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
    pub(crate) fn unread(&self) -> Option<usize> {
        let state = self.end.shared.state.lock();
        (!state.abandoned).then_some(state.unread)
    }

    /// Ends the stream behind what was put.
    pub(crate) fn finish(&self) {
        self.end.finish();
    }

    /// Has `future` resolved when there is room: with None, or with False where nobody reads.
    pub(crate) fn when_room(&self, future: Py<PyAny>) {
        let mut state = self.end.shared.state.lock();
        if state.abandoned || state.unread < CAPACITY {
            let abandoned = state.abandoned;
            drop(state);
            self.end.shared.has_room(future, abandoned);
        } else {
            state.waiting = Some(future);
        }
    }

    /// Blocks until there is room; false where nobody reads any more.
    pub(crate) fn wait_for_room(&self) -> bool {
        let mut state = self.end.shared.state.lock();
        self.end.shared.room.wait_while(&mut state, |state| {
            state.unread >= CAPACITY && !state.abandoned
        });
        !state.abandoned
    }
}

impl WriteEnd {
    fn finish(&self) {
        if !self.shared.origin.is_here() {
            return;
        }
        let mut state = self.shared.state.lock();
        state.finished = true;
        let reader = state.reader.take();
        drop(state);
        wakeups::wake(reader);
    }
}

impl Drop for WriteEnd {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    fn has_room(&self, future: Py<PyAny>, abandoned: bool) {
        self.outbox.post(move |py| {
            let answer = abandoned.then_some(false).into_pyobject(py)?.unbind();
            resolve(future.bind(py), Ok(answer))
        });
    }
}

/// The end that is read.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    taken: VecDeque<Item>,
}

impl Reader {
    /// The next item; `None` when the stream has ended.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<LLMEngineOutput, DynamoError>>> {
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
        let item = self.taken.pop_front();
        Poll::Ready(item.map(|item| match item {
            Ok(chunk) => Ok(chunk.into_output()),
            Err(error) => Err(*error),
        }))
    }

    fn make_room(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        let (waiting, abandoned) = (state.waiting.take(), state.abandoned);
        drop(state);
        if let Some(future) = waiting {
            self.shared.has_room(future, abandoned);
        }
        self.shared.room.notify_all();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.abandoned = true;
        let unread = std::mem::take(&mut state.items);
        self.make_room(state);
        drop(unread);
    }
}
