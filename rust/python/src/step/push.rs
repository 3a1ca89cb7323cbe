//! One call of `push`, while it holds the lock.

use std::task::Waker;

use dynamo_backend_handoff::queue::{CAPACITY, Put};
use dynamo_backend_worker::DynamoError;
use dynamo_backend_worker::error::{BackendError, backend};

use super::streams::{Shared, StepReport, Streams};
use crate::buffer::WAKEUPS;
use crate::chunk::{self, Item};

/// Chunks that may wait for a client before its request fails: its engine did not heed `stalled`.
const LONGEST: usize = 65_536;

/// One call of `push`, with the lock: no Python runs while it lives.
pub(crate) struct Push<'a> {
    streams: parking_lot::MutexGuard<'a, Streams>,
    readers: Vec<Waker>,
    cancelled: Vec<u64>,
    stalled: Vec<u64>,
}

impl<'a> Push<'a> {
    /// `cancelled`: streams that its report is to tell beside its own.
    pub(crate) fn new(steps: &'a Shared, cancelled: Vec<u64>) -> Self {
        Self {
            streams: steps.streams.lock(),
            readers: Vec::new(),
            cancelled,
            stalled: Vec::new(),
        }
    }

    pub(crate) fn item(&mut self, stream: u64, item: Item) {
        let last = !matches!(&item, Ok(chunk) if !chunk.is_terminal());
        let Some(open) = self.streams.open.get(&stream) else {
            self.cancelled.push(stream);
            return;
        };
        let (put, reader) = open.writer.put(item, last);
        self.readers.extend(reader);
        if put == Put::Refused {
            self.cancelled.push(stream);
        }
        if last || put == Put::Refused {
            self.streams.open.remove(&stream);
        }
    }

    /// Looks at nothing else; answers the streams of this step that nobody wants any more.
    pub(crate) fn handed_over(self) -> Vec<u64> {
        self.end().cancelled
    }

    /// Looks at all that is open, also at what was not in this step.
    pub(crate) fn done(mut self) -> StepReport {
        let (readers, cancelled) = (&mut self.readers, &mut self.cancelled);
        let stalled = &mut self.stalled;
        self.streams.open.retain(|id, open| {
            let Some(unread) = open.writer.unread() else {
                cancelled.push(*id);
                return false;
            };
            let last = if open.request.context.may_abort() {
                Ok(chunk::cancelled())
            } else if unread > LONGEST {
                Err(Box::new(overrun()))
            } else {
                if unread >= CAPACITY {
                    stalled.push(*id);
                }
                return true;
            };
            readers.extend(open.writer.put(last, true).1);
            cancelled.push(*id);
            false
        });
        stalled.sort_unstable();
        self.streams.stalled.clone_from(stalled);
        self.end()
    }

    /// Wakes the readers, without the lock: it takes a system call where tokio sleeps.
    fn end(self) -> StepReport {
        drop(self.streams);
        WAKEUPS.wake(self.readers);
        StepReport {
            cancelled: self.cancelled,
            stalled: self.stalled,
        }
    }
}

fn overrun() -> DynamoError {
    let message = format!(
        "the engine pushed {LONGEST} chunks that its client did not read, though it was told that \
         the stream is stalled"
    );
    backend(BackendError::Unknown, message)
}
