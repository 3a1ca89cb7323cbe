//! From Python to Rust: the chunks of one request.

use std::sync::{Arc, OnceLock};
use std::task::Waker;

use dynamo_backend_handoff::queue::Put;
use dynamo_backend_worker::RequestContext;
use dynamo_backend_worker::error::{BackendError, backend};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBool;

use crate::buffer::{self, Reader, Room, WAKEUPS, Writer};
use crate::calls::EventLoop;
use crate::chunk::Item;
use crate::convert::chunk;
use crate::convert::reading::Reading;
use crate::errors;
use crate::interpreter_end::Running;
use crate::request_pump::{PumpEnd, RequestPump};

/// `asyncio.sleep`.
static SLEEP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Takes the chunks of one request from whoever iterates the engine's generator: the request's
/// task on the event loop's thread, or a thread of a synchronous engine.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct Sink {
    writer: Writer,
    context: RequestContext,
    /// Why a chunk was refused.
    refusal: OnceLock<String>,
    reading: Arc<Reading>,
    event_loop: EventLoop,
    pump: PumpEnd,
}

impl Sink {
    pub(crate) fn open(
        reading: Arc<Reading>,
        context: RequestContext,
        event_loop: EventLoop,
        pump: &RequestPump,
    ) -> (Self, Reader) {
        let (writer, reader) = buffer::open();
        let sink = Self {
            writer,
            context,
            refusal: OnceLock::new(),
            reading,
            event_loop,
            pump: pump.end(),
        };
        (sink, reader)
    }

    pub(crate) fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// Puts a chunk, or the error that one of the wrong shape is; answers who is to be woken, too.
    fn put(&self, value: &Bound<'_, PyAny>) -> (Pushed, Option<Waker>) {
        let (item, last, answer): (Item, _, _) = match chunk::from_python(value, &self.reading) {
            Ok(chunk) => {
                let last = chunk.is_terminal();
                (Ok(chunk), last, last.then_some(true))
            }
            Err(problem) => {
                let message = format!("{}: {problem}", self.reading.engine());
                // The first refusal is the last chunk.
                let _ = self.refusal.set(message.clone());
                let error = backend(BackendError::Unknown, message);
                (Err(Box::new(error)), true, Some(false))
            }
        };
        let (put, reader) = self.writer.put(item, last);
        let pushed = match (put, answer) {
            (Put::Refused, _) => Pushed::Answer(Some(false)),
            (_, Some(answer)) => Pushed::Answer(Some(answer)),
            (Put::Taken, None) => Pushed::Answer(None),
            (Put::Full, None) => Pushed::Full,
            (Put::Pause, None) => Pushed::Pause,
        };
        (pushed, reader)
    }
}

enum Pushed {
    Answer(Option<bool>),
    Full,
    Pause,
}

#[pymethods]
impl Sink {
    /// Takes a chunk. `None`: go on. `True`: the terminal one is taken. `False`: nobody takes
    /// another one. What is to be awaited before the next one, because the buffer is full, or because
    /// others may have had no turn for long; it gives `None` or `False`.
    ///
    /// A chunk of the wrong shape ends the request with an error that says so.
    fn push<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let Some(_running) = Running::begin(py) else {
            return Ok(answered(py, Some(false)));
        };
        let (pushed, reader) = self.put(value);
        WAKEUPS.wake(reader);
        match pushed {
            Pushed::Answer(answer) => Ok(answered(py, answer)),
            // By no message: where the engine waits between chunks, others had their turns anyhow.
            Pushed::Pause => SLEEP.import(py, "asyncio", "sleep")?.call1((0,)),
            Pushed::Full => {
                let future = self.event_loop.create_future(py)?;
                self.writer.when_room(Room::Future {
                    future: future.clone().unbind(),
                    outbox: self.event_loop.outbox.clone(),
                });
                Ok(future)
            }
        }
    }

    /// Takes a chunk as `push` does, on a thread that may wait: it blocks while the buffer is full.
    fn push_blocking<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> Bound<'py, PyAny> {
        let Some(running) = Running::begin(py) else {
            return answered(py, Some(false));
        };
        let (pushed, reader) = self.put(value);
        WAKEUPS.wake(reader);
        // The wait is above no Python.
        drop(running);
        let answer = match pushed {
            Pushed::Answer(answer) => answer,
            Pushed::Full => (!py.detach(|| self.writer.wait_for_room())).then_some(false),
            Pushed::Pause => None,
        };
        answered(py, answer)
    }

    /// Whether the engine is to let go of the request: on a decode worker not before its first
    /// token, also where it was stopped.
    #[getter]
    fn may_abort(&self) -> bool {
        self.context.may_abort()
    }

    /// Why the last chunk was refused, if it was.
    #[getter]
    fn refusal(&self) -> Option<&str> {
        self.refusal.get().map(String::as_str)
    }

    /// Ends the stream with the error that `raised` is for a client.
    pub(crate) fn fail(&self, raised: &Bound<'_, PyAny>) {
        let Some(_running) = Running::begin(raised.py()) else {
            return;
        };
        let error = errors::from_raised(raised);
        // A full buffer does not keep an error out: the client still gets it.
        let (_, reader) = self.writer.put(Err(Box::new(error)), true);
        WAKEUPS.wake(reader);
    }

    /// Ends the stream: the generator is exhausted.
    fn finish(&self) {
        self.writer.finish();
    }

    /// The request's task has ended.
    fn task_ended(&self) {
        self.pump.has_come();
    }
}

fn answered<'py>(py: Python<'py>, answer: Option<bool>) -> Bound<'py, PyAny> {
    match answer {
        None => py.None().into_bound(py),
        Some(answer) => PyBool::new(py, answer).to_owned().into_any(),
    }
}
