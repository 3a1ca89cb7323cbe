//! The chunks of one request on their way from Python to tokio.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use dynamo_backend_worker::{DynamoError, LLMEngineOutput, chunk};
use parking_lot::Mutex;

/// Chunks that wait for a slow client before the engine has to wait for it too.
const CAPACITY: usize = 128;

pub(crate) type Item = Result<LLMEngineOutput, DynamoError>;

/// A queue with one writer, which holds the GIL and never waits here, and one reader, which does
/// not know of it. Chunks that wait are joined where that loses nothing.
#[derive(Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    /// Chunks that were pushed and not taken yet.
    waiting: usize,
    /// Nothing comes any more.
    ended: bool,
    /// Nobody takes anything any more.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What became of a chunk that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It is on its way.
    Taken,
    /// It is, but the reader is far behind: whoever can should wait.
    Full,
    /// Nobody takes it: the stream has ended, or its reader is gone.
    Refused,
}

impl Lane {
    /// Hands over `item`; from the last one on, others are refused. The reader is woken by whoever
    /// gets its waker.
    pub(crate) fn push(&self, item: Item) -> (Pushed, Option<Waker>) {
        let mut state = self.state.lock();
        if state.ended || state.abandoned {
            return (Pushed::Refused, None);
        }
        state.ended = match &item {
            Ok(chunk) => chunk.finish_reason.is_some(),
            Err(_) => true,
        };
        state.append(item);
        state.pushed()
    }

    /// [`push`](Self::push) of a chunk that has tokens and nothing else.
    pub(crate) fn push_tokens(&self, token_ids: &[u32]) -> (Pushed, Option<Waker>) {
        let mut state = self.state.lock();
        if state.ended || state.abandoned {
            return (Pushed::Refused, None);
        }
        match state.items.back_mut() {
            Some(Ok(last))
                if chunk::is_usual(last) && last.log_probs.is_none() && last.index.is_none() =>
            {
                last.token_ids.extend_from_slice(token_ids);
            }
            _ => state.items.push_back(Ok(LLMEngineOutput {
                token_ids: token_ids.to_vec(),
                ..Default::default()
            })),
        }
        state.pushed()
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self) {
        let reader = {
            let mut state = self.state.lock();
            state.ended = true;
            state.reader.take()
        };
        wake(reader);
    }

    /// Whether nobody takes anything any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.lock().abandoned
    }

    /// Chunks that wait for the reader.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().waiting
    }

    /// Resolves when the reader has caught up; answers whether it is still there.
    pub(crate) async fn caught_up(self: Arc<Self>) -> bool {
        std::future::poll_fn(|cx| {
            let mut state = self.state.lock();
            if state.abandoned || state.waiting == 0 {
                return Poll::Ready(!state.abandoned);
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// The reader's side: the next chunk, or the end.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut state = self.state.lock();
        let Some(item) = state.items.pop_front() else {
            if state.ended {
                return Poll::Ready(None);
            }
            if !matches!(&state.reader, Some(reader) if reader.will_wake(cx.waker())) {
                state.reader = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        let writer = if state.items.is_empty() {
            state.waiting = 0;
            state.writer.take()
        } else {
            None
        };
        drop(state);
        wake(writer);
        Poll::Ready(Some(item))
    }

    /// The reader is gone, and with it whatever waits for it.
    pub(crate) fn abandon(&self) {
        let (items, writer) = {
            let mut state = self.state.lock();
            state.abandoned = true;
            state.reader = None;
            (std::mem::take(&mut state.items), state.writer.take())
        };
        drop(items);
        wake(writer);
    }
}

impl State {
    fn append(&mut self, item: Item) {
        let item = match (self.items.back_mut(), item) {
            (Some(Ok(last)), Ok(next)) if chunk::is_usual(last) => {
                match chunk::append(last, next) {
                    Ok(()) => return,
                    Err(next) => Ok(*next),
                }
            }
            (_, item) => item,
        };
        self.items.push_back(item);
    }

    fn pushed(&mut self) -> (Pushed, Option<Waker>) {
        self.waiting += 1;
        let pushed = if self.waiting >= CAPACITY {
            Pushed::Full
        } else {
            Pushed::Taken
        };
        (pushed, self.reader.take())
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
