//! The engine's stream of one request, which can be cut from outside.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;

use crate::admission::Admitted;
use crate::engine::{EngineStream, panicked};

/// Shared by a request's reader, which polls it, and its monitor, which cuts it: a reader that
/// stalls at a slow client is never polled, so nobody else could.
#[derive(Clone)]
pub(super) struct Live {
    state: Arc<Mutex<State>>,
}

struct State {
    stream: Option<EngineStream>,
    admitted: Option<Admitted>,
    reader: Option<Waker>,
    cut: bool,
}

impl Live {
    /// A request that is in flight, and whose engine has not answered with a stream yet.
    pub(super) fn new(admitted: Admitted) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                stream: None,
                admitted: Some(admitted),
                reader: None,
                cut: false,
            })),
        }
    }

    /// The engine answered with its stream.
    pub(super) fn open(&self, stream: EngineStream) {
        let mut state = self.state.lock();
        if !state.cut {
            state.stream = Some(stream);
        }
    }

    /// Polls the engine's stream; a panic of the engine is an error of this request alone.
    pub(super) fn poll(
        &self,
        engine_name: &str,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<LLMEngineOutput, DynamoError>>> {
        let mut state = self.state.lock();
        let Some(stream) = state.stream.as_mut() else {
            return Poll::Ready(None);
        };
        let poll = AssertUnwindSafe(|| stream.as_mut().poll_next(cx));
        let polled = catch_unwind(poll).unwrap_or_else(|panic| {
            Poll::Ready(Some(Err(panicked(engine_name, "stream", &*panic))))
        });
        if polled.is_pending()
            && !matches!(&state.reader, Some(reader) if reader.will_wake(cx.waker()))
        {
            state.reader = Some(cx.waker().clone());
        }
        polled
    }

    /// Whether shutdown took the stream away.
    pub(super) fn was_cut(&self) -> bool {
        self.state.lock().cut
    }

    /// The terminal item was read: the engine's stream goes, the request stays in flight until its
    /// reader has passed the item on.
    pub(super) fn close_stream(&self) {
        // Outside the lock: dropping runs code of the engine's.
        let stream = self.state.lock().stream.take();
        drop(stream);
    }

    /// The reader is gone.
    pub(super) fn leave(&self) {
        let mut state = self.state.lock();
        let gone = (state.stream.take(), state.admitted.take());
        drop(state);
        drop(gone);
    }

    /// Takes the stream away, also from a reader that stalls; the request is in flight no more.
    pub(super) fn cut(&self) {
        self.state.lock().cut = true;
        self.give_up();
    }

    /// Nobody reads what still comes: the stream goes, and the request is in flight no more.
    pub(super) fn give_up(&self) {
        let mut state = self.state.lock();
        let gone = (state.stream.take(), state.admitted.take());
        let reader = state.reader.take();
        drop(state);
        drop(gone);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
