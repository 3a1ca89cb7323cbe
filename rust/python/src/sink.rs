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

    /// Hands `item` over; `answer` is what its sender is told once it is taken.
    fn send<'py>(
        &self,
        py: Python<'py>,
        item: Item,
        answer: Option<bool>,
    ) -> PyResult<Pushed<'py>> {
        let (sender, item) = {
            let mut slot = self.sender.lock();
            let Some(sender) = slot.as_ref() else {
                return Ok(Pushed::Now(Some(false)));
            };
            let full = match sender.try_send(item) {
                Ok(()) => Ok(answer),
                Err(TrySendError::Closed(_)) => Ok(Some(false)),
                Err(TrySendError::Full(item)) => Err((sender.clone(), item)),
            };
            if answer.is_some() || matches!(full, Ok(Some(false))) {
                slot.take();
            }
            match full {
                Ok(answer) => return Ok(Pushed::Now(answer)),
                Err(waiting) => waiting,
            }
        };
        let sent = self.event_loop.future(py, async move {
            match sender.send(item).await {
                Ok(()) => answer,
                Err(_) => Some(false),
            }
        })?;
        Ok(Pushed::Later(sent))
    }
}

enum Pushed<'py> {
    Now(Option<bool>),
    /// The buffer is full: to be awaited before the next push.
    Later(Bound<'py, PyAny>),
}

#[pymethods]
impl Sink {
    /// Takes a chunk. `None`: go on. `True`: the terminal one is taken. `False`: nobody takes
    /// another one. A future: the buffer is full; awaited, it gives one of these.
    ///
    /// A chunk of the wrong shape ends the request with an error that says so.
    fn push<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (item, answer) = match chunk::from_python(value) {
            Ok(chunk) => {
                let last = chunk.finish_reason.is_some();
                (Ok(chunk), last.then_some(true))
            }
            Err(problem) => {
                let message = format!("{}: {problem}", self.engine);
                // The first refusal is the last chunk.
                let _ = self.refusal.set(message.clone());
                (Err(backend(BackendError::Unknown, message)), Some(false))
            }
        };
        match self.send(py, item, answer)? {
            Pushed::Now(answer) => answer.into_bound_py_any(py),
            Pushed::Later(future) => Ok(future),
        }
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
        self.send(py, Err(error), Some(false)).map(drop)
    }

    /// Ends the stream: the generator is exhausted.
    fn finish(&self) {
        self.sender.lock().take();
    }
}
