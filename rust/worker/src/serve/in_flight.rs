//! One request in flight, from its arrival to the last byte of its answer.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::kind::Items;
use crate::admission::Admitted;
use crate::error::{BackendError, backend};
use crate::panics::panicked;

/// Owns the request: dropped, it is in flight no more.
pub(super) struct InFlight<I = LLMEngineOutput> {
    request: Arc<Request<I>>,
}

/// A request, as those see it who ask the engine and who may end it: a reader that stalls at a slow
/// client is never polled, so nobody else could.
pub(super) struct Request<I = LLMEngineOutput> {
    held: Mutex<Held<I>>,
    /// Flips when nobody reads any more.
    over: CancellationToken,
    /// By itself: it may come while the stream is polled, which holds the rest.
    turn: Mutex<Decision>,
}

struct Held<I> {
    state: State<I>,
    /// While the request is in flight.
    admitted: Option<Admitted>,
}

enum State<I> {
    /// The engine has not answered with its stream.
    Asked,
    /// The stream is read.
    Streaming {
        stream: Items<I>,
        reader: Option<Waker>,
    },
    /// The terminal item was read, and is to be written.
    Ended { was_stopped: bool },
    /// Nobody reads what still comes.
    Over { was_cut: bool },
}

/// Whether the engine gets the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decision {
    Awaited,
    Come,
    /// Nobody wanted it any more.
    GivenUp,
    /// It did not come in time.
    Denied,
}

impl<I> InFlight<I> {
    pub(super) fn new(admitted: Admitted) -> Self {
        Self {
            request: Arc::new(Request {
                held: Mutex::new(Held {
                    state: State::Asked,
                    admitted: Some(admitted),
                }),
                over: CancellationToken::new(),
                turn: Mutex::new(Decision::Awaited),
            }),
        }
    }

    /// The request for others than its owner.
    pub(super) fn share(&self) -> Arc<Request<I>> {
        self.request.clone()
    }
}

impl<I> Deref for InFlight<I> {
    type Target = Request<I>;

    fn deref(&self) -> &Request<I> {
        &self.request
    }
}

impl<I> Drop for InFlight<I> {
    fn drop(&mut self) {
        self.request.end(false);
    }
}

impl<I> Request<I> {
    /// The engine is to get the request now. False: nobody wants it any more.
    pub(super) fn begin(&self) -> bool {
        self.decide(Decision::Come) == Decision::Come
    }

    /// The request goes without having been the engine's.
    pub(super) fn refuse(&self) {
        self.decide(Decision::Denied);
    }

    /// Ends a request that the engine does not have yet. False: it has it, and is to be told.
    pub(super) fn give_up_waiting(&self) -> bool {
        let is_given_up = self.decide(Decision::GivenUp) != Decision::Come;
        if is_given_up {
            self.give_up();
        }
        is_given_up
    }

    /// Decides about the turn, unless that is decided.
    fn decide(&self, decision: Decision) -> Decision {
        let mut decided = self.turn.lock();
        if *decided == Decision::Awaited {
            *decided = decision;
        }
        *decided
    }

    /// The engine answered with its stream.
    ///
    /// # Errors
    ///
    /// It is too late: the stream is dropped.
    pub(super) fn open(&self, stream: Items<I>) -> Result<(), DynamoError> {
        let mut held = self.held.lock();
        if matches!(held.state, State::Asked) {
            let reader = None;
            held.state = State::Streaming { stream, reader };
            return Ok(());
        }
        drop(held);
        drop(stream);
        Err(self.why_over())
    }

    /// Resolves when nobody reads any more, whatever the engine still answers.
    pub(super) async fn over(&self) {
        self.over.cancelled().await
    }

    /// The error of a request that ended before the engine had answered with its stream.
    pub(super) fn why_over(&self) -> DynamoError {
        match self.held.lock().state {
            State::Over { was_cut: true } => cut_off(),
            _ => given_up(),
        }
    }

    /// Polls the engine's stream; a panic of the engine is an error of this request alone.
    pub(super) fn poll(
        &self,
        engine_name: &str,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<I, DynamoError>>> {
        let mut held = self.held.lock();
        let (stream, reader) = match &mut held.state {
            State::Streaming { stream, reader } => (stream, reader),
            State::Over { was_cut: true } => return Poll::Ready(Some(Err(cut_off()))),
            _ => return Poll::Ready(None),
        };
        let poll = AssertUnwindSafe(|| stream.as_mut().poll_next(cx));
        let polled = catch_unwind(poll).unwrap_or_else(|panic| {
            Poll::Ready(Some(Err(panicked(engine_name, "stream", &*panic))))
        });
        if polled.is_pending() && !matches!(reader, Some(reader) if reader.will_wake(cx.waker())) {
            *reader = Some(cx.waker().clone());
        }
        polled
    }

    /// The terminal item was read: the engine's stream goes, the request stays in flight until its
    /// owner has written the item.
    pub(super) fn finish(&self, was_stopped: bool) {
        let mut held = self.held.lock();
        if matches!(held.state, State::Streaming { .. }) {
            let before = std::mem::replace(&mut held.state, State::Ended { was_stopped });
            // Dropping it runs code of the engine's.
            drop(held);
            drop(before);
        }
    }

    /// Whether nobody reads any more.
    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Whether a stop is none of the engine's business any more.
    pub(super) fn is_finished(&self) -> bool {
        let held = self.held.lock();
        matches!(held.state, State::Ended { was_stopped: false })
    }

    /// Takes the stream away, also from a reader that stalls; the request is in flight no more.
    pub(super) fn cut(&self) {
        self.end(true);
    }

    /// Nobody reads what still comes: the stream goes, and the request is in flight no more.
    pub(super) fn give_up(&self) {
        self.end(false);
    }

    /// Whoever comes second finds nothing to end: the first may still be at it.
    fn end(&self, was_cut: bool) {
        let mut held = self.held.lock();
        let Some(admitted) = held.admitted.take() else {
            return;
        };
        let before = match held.state {
            // That it finished is asked for after its end, too.
            State::Ended { .. } => None,
            _ => Some(std::mem::replace(&mut held.state, State::Over { was_cut })),
        };
        self.over.cancel();
        drop(held);
        if let Some(State::Streaming { stream, reader }) = before {
            drop(stream);
            reader.inspect(Waker::wake_by_ref);
        }
        // Behind the stream: until that is gone the engine has the request.
        let turn = *self.turn.lock();
        match turn {
            Decision::Denied => admitted.refuse(),
            _ => drop(admitted),
        }
    }
}

/// The error of a request that shutdown cuts: a frontend migrates it to another worker.
fn cut_off() -> DynamoError {
    backend(
        BackendError::EngineShutdown,
        "the worker shut down before the request was finished",
    )
}

/// The error of a request that nobody wanted any more before there was a stream.
pub(super) fn given_up() -> DynamoError {
    backend(
        BackendError::Cancelled,
        "the request was cancelled before the engine began to answer it",
    )
}

#[cfg(test)]
mod tests;
