//! From the event loop's thread to Rust: the chunks of one request.

use std::sync::{Arc, OnceLock};

use dynamo_backend_worker::error::{BackendError, backend};
use dynamo_backend_worker::{DynamoError, LLMEngineOutput};
use parking_lot::Mutex;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::calls::EventLoop;
use crate::convert::chunk;
use crate::errors;

/// Chunks that a stream holds before its engine has to wait for a slow client.
const CAPACITY: usize = 128;

pub(crate) type Item = Result<LLMEngineOutput, DynamoError>;

/// Takes the chunks of one request. Used on the event loop's thread, by the task that iterates the
/// engine's generator.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct Sink {
    /// `None` once the stream has ended.
    sender: Mutex<Option<Sender<Item>>>,
    /// Why a chunk was refused.
    refusal: OnceLock<String>,
    engine: Arc<str>,
    event_loop: EventLoop,
}

impl Sink {
    pub(crate) fn open(engine: Arc<str>, event_loop: EventLoop) -> (Self, Receiver<Item>) {
        let (sender, receiver) = channel(CAPACITY);
        let sink = Self {
            sender: Mutex::new(Some(sender)),
            refusal: OnceLock::new(),
            engine,
            event_loop,
        };
        (sink, receiver)
    }

    /// Hands `item` over; the answer is what `push` tells Python.
    fn send<'py>(&self, py: Python<'py>, item: Item, last: bool) -> PyResult<Pushed<'py>> {
        let mut slot = self.sender.lock();
        let Some(sender) = slot.as_ref() else {
            return Ok(Pushed::Closed);
        };
        let full = match sender.try_send(item) {
            Ok(()) => None,
            Err(TrySendError::Full(item)) => Some((sender.clone(), item)),
            Err(TrySendError::Closed(_)) => {
                slot.take();
                return Ok(Pushed::Closed);
            }
        };
        if last {
            slot.take();
        }
        let Some((sender, item)) = full else {
            return Ok(Pushed::Taken);
        };
        let sent = self.event_loop.future(py, async move {
            // Refused only where nobody reads any more, which the next push finds out.
            let _ = sender.send(item).await;
        })?;
        Ok(Pushed::Waiting(sent))
    }
}

enum Pushed<'py> {
    Taken,
    /// The buffer is full: to be awaited before the next push.
    Waiting(Bound<'py, PyAny>),
    Closed,
}

#[pymethods]
impl Sink {
    /// Takes a chunk. `None`: go on. A future: await it first. `True`: the terminal one is taken.
    /// `False`: nobody takes another one.
    ///
    /// A chunk of the wrong shape ends the request with an error that says so; raises nothing.
    fn push<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let item = chunk::from_python(value).map_err(|problem| {
            let message = format!("{}: {problem}", self.engine);
            // The first refusal is the last chunk.
            let _ = self.refusal.set(message.clone());
            backend(BackendError::Unknown, message)
        });
        let refused = item.is_err();
        let last = !matches!(&item, Ok(chunk) if chunk.finish_reason.is_none());
        let answer = match self.send(py, item, last)? {
            Pushed::Waiting(future) => return Ok(future),
            Pushed::Taken if refused => Some(false),
            Pushed::Taken => last.then_some(true),
            Pushed::Closed => Some(false),
        };
        answer.into_bound_py_any(py)
    }

    /// Why the last chunk was refused, if it was.
    #[getter]
    fn refusal(&self) -> Option<&str> {
        self.refusal.get().map(String::as_str)
    }

    /// Ends the stream with the error that `raised` is for a client.
    fn fail(&self, raised: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = raised.py();
        let error = errors::from_raised(raised);
        // A full buffer is waited for by the future's own task: the client still gets the error.
        self.send(py, Err(error), true).map(drop)
    }

    /// Ends the stream: the generator is exhausted.
    fn finish(&self) {
        self.sender.lock().take();
    }

    /// Whether the stream has ended: by a terminal chunk, an error or `finish`, or because nobody
    /// reads it.
    #[getter]
    fn closed(&self) -> bool {
        self.sender
            .lock()
            .as_ref()
            .is_none_or(|sender| sender.is_closed())
    }
}
