//! From the event loop's thread to Rust: the chunks of one request.

use std::sync::{Arc, OnceLock};

use dynamo_backend_worker::error::{BackendError, backend};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

use crate::calls::EventLoop;
use crate::convert::chunk;
use crate::errors;
use crate::lane::{Item, Lane, Pushed};

/// Takes the chunks of one request. Used on the event loop's thread, by the task that iterates the
/// engine's generator.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct Sink {
    lane: Arc<Lane>,
    /// Why a chunk was refused.
    refusal: OnceLock<String>,
    engine: Arc<str>,
    event_loop: EventLoop,
}

impl Sink {
    pub(crate) fn new(lane: Arc<Lane>, engine: Arc<str>, event_loop: EventLoop) -> Self {
        Self {
            lane,
            refusal: OnceLock::new(),
            engine,
            event_loop,
        }
    }

    /// Hands `item` over; `answer` is what its sender is told once it is taken.
    fn send<'py>(
        &self,
        py: Python<'py>,
        item: Item,
        answer: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (pushed, reader) = self.lane.push(item);
        if let Some(reader) = reader {
            reader.wake();
        }
        match pushed {
            Pushed::Taken => answer.into_bound_py_any(py),
            Pushed::Refused => false.into_bound_py_any(py),
            // The last one has nobody behind it who would have to wait.
            Pushed::Full if answer.is_some() => answer.into_bound_py_any(py),
            Pushed::Full => {
                let lane = self.lane.clone();
                self.event_loop.future(py, async move {
                    if lane.caught_up().await {
                        None
                    } else {
                        Some(false)
                    }
                })
            }
        }
    }
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
        self.send(py, item, answer)
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
        self.send(py, Err(error), Some(false)).map(drop)
    }

    /// Ends the stream: the generator is exhausted.
    fn finish(&self) {
        self.lane.end();
    }
}
