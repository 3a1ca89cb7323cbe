//! The engine's stream of one request, which can be taken away from outside.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::admission::Admitted;
use crate::engine::EngineStream;
use crate::error::{BackendError, backend};
use crate::guarded::panicked;

/// Shared by a request's reader, which polls it, and its monitor, which cuts it: a reader that
/// stalls at a slow client is never polled, so nobody else could.
#[derive(Clone)]
pub(super) struct Live {
    state: Arc<Mutex<State>>,
    /// Flips when the stream is taken away.
    over: CancellationToken,
    /// Whether shutdown took it. What follows is asked within `poll` too, which holds the state.
    cut: Arc<AtomicBool>,
    /// While the request is in flight.
    admitted: Arc<Mutex<Option<Admitted>>>,
    /// Whether the engine has the request, once that is decided.
    turn: Arc<Mutex<Option<bool>>>,
}

struct State {
    stream: Option<EngineStream>,
    /// The terminal item was read, and nobody had stopped the request before.
    finished: bool,
    reader: Option<Waker>,
}

impl Live {
    /// A request that is in flight, and whose engine has not answered with a stream yet.
    pub(super) fn new(admitted: Admitted) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                stream: None,
                finished: false,
                reader: None,
            })),
            over: CancellationToken::new(),
            cut: Arc::default(),
            admitted: Arc::new(Mutex::new(Some(admitted))),
            turn: Arc::default(),
        }
    }

    /// The engine is to get the request now. False: nobody wants it any more.
    pub(super) fn begin(&self) -> bool {
        *self.turn.lock().get_or_insert(true)
    }

    /// Ends a request that the engine does not have yet. False: it has it, and is to be told.
    pub(super) fn give_up_waiting(&self) -> bool {
        let has_begun = *self.turn.lock().get_or_insert(false);
        if !has_begun {
            self.give_up();
        }
        !has_begun
    }

    /// The request goes without having been the engine's.
    pub(super) fn refuse(&self) {
        if let Some(admitted) = self.admitted.lock().take() {
            admitted.refuse();
        }
    }

    /// The engine answered with its stream. False: too late, the stream is dropped.
    pub(super) fn open(&self, stream: EngineStream) -> bool {
        let mut state = self.state.lock();
        if self.over.is_cancelled() {
            drop(state);
            drop(stream);
            return false;
        }
        state.stream = Some(stream);
        true
    }

    /// Resolves when nobody reads any more, whatever the engine still answers.
    pub(super) async fn over(&self) {
        self.over.cancelled().await
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
        self.cut.load(Ordering::Acquire)
    }

    /// The terminal item was read: the engine's stream goes, the request stays in flight until its
    /// reader has written the item.
    pub(super) fn finish(&self, was_stopped: bool) {
        let mut state = self.state.lock();
        state.finished = !was_stopped;
        let stream = state.stream.take();
        // Outside the lock: dropping runs code of the engine's.
        drop(state);
        drop(stream);
    }

    /// Whether a stop is none of the engine's business any more.
    pub(super) fn is_finished(&self) -> bool {
        self.state.lock().finished
    }

    /// The reader is gone, and the request is in flight no more.
    pub(super) fn leave(&self) {
        let stream = self.state.lock().stream.take();
        drop(stream);
        let admitted = self.admitted.lock().take();
        drop(admitted);
    }

    /// Takes the stream away, also from a reader that stalls; the request is in flight no more.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.give_up();
    }

    /// Nobody reads what still comes: the stream goes, and the request is in flight no more.
    pub(super) fn give_up(&self) {
        let mut state = self.state.lock();
        self.over.cancel();
        let (stream, reader) = (state.stream.take(), state.reader.take());
        drop(state);
        drop(stream);
        let admitted = self.admitted.lock().take();
        drop(admitted);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// The error of a request that shutdown cuts: a frontend migrates it to another worker.
pub(super) fn cut_off() -> DynamoError {
    backend(
        BackendError::EngineShutdown,
        "the worker shut down before the request was finished",
    )
}

#[cfg(test)]
mod tests;
