//! The step push: one call hands over what one step of an engine made for all its requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use dynamo_backend_worker::error::{BackendError, backend};
use dynamo_backend_worker::{DynamoError, RequestContext as Inner};
use parking_lot::Mutex;
use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyTuple};

use crate::buffer::{CAPACITY, Item, Put, Writer};
use crate::chunk::{Chunk, Tokens};
use crate::context::RequestContext;
use crate::convert::chunk;
use crate::convert::shown::described;
use crate::errors;
use crate::wakeups;

/// Chunks that may wait for a client before its request fails: its engine did not heed `stalled`.
const LONGEST: usize = 65_536;

/// Where a step loop hands over its tokens, from any thread that holds the GIL already.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct Steps {
    streams: Mutex<Streams>,
    last_id: AtomicU64,
}

#[derive(Default)]
struct Streams {
    open: HashMap<u64, Open>,
    /// What all of them failed with, and what is opened from then on.
    failed: Option<DynamoError>,
}

struct Open {
    writer: Writer,
    context: Inner,
    /// Shared with the stream's handle.
    is_open: Arc<AtomicBool>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.is_open.store(false, Ordering::Relaxed);
    }
}

/// One request whose chunks come by steps.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct StepStream {
    #[pyo3(get)]
    id: u64,
    is_open: Arc<AtomicBool>,
}

/// What a push tells the engine.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct StepReport {
    /// Streams that nobody wants any more: they are closed.
    #[pyo3(get)]
    cancelled: Vec<u64>,
    /// Streams whose clients are far behind, in this step or not.
    #[pyo3(get)]
    stalled: Vec<u64>,
}

#[pymethods]
impl StepStream {
    /// Whether the engine may still push to it.
    #[getter]
    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    fn __repr__(&self) -> String {
        format!("StepStream(id={})", self.id)
    }
}

#[pymethods]
impl StepReport {
    fn __repr__(&self) -> String {
        format!(
            "StepReport(cancelled={:?}, stalled={:?})",
            self.cancelled, self.stalled
        )
    }
}

#[pymethods]
impl Steps {
    #[new]
    fn new() -> Self {
        Self {
            streams: Mutex::default(),
            last_id: AtomicU64::new(0),
        }
    }

    /// Opens a stream for the request of `context`.
    fn open(&self, py: Python<'_>, context: &RequestContext) -> PyResult<StepStream> {
        let writer = context.writer().ok_or_else(|| {
            errors::invalid_argument(
                py,
                "context: this one was only told to abort; open a stream with that of generate",
            )
        })?;
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let is_open = Arc::new(AtomicBool::new(true));
        let open = Open {
            writer: writer.clone(),
            context: context.inner().clone(),
            is_open: is_open.clone(),
        };
        let mut streams = self.streams.lock();
        if let Some(error) = streams.failed.clone() {
            drop(streams);
            return Err(errors::to_exception(py, &error, None));
        }
        streams.open.insert(id, open);
        Ok(StepStream { id, is_open })
    }

    /// Fails every stream that is open, and each that is opened from here on.
    fn fail(&self, error: &Bound<'_, PyBaseException>) {
        let error = errors::from_failed_engine(error);
        let mut streams = self.streams.lock();
        let failed = std::mem::take(&mut streams.open);
        streams.failed.get_or_insert_with(|| error.clone());
        drop(streams);
        let ends = failed.values().filter_map(|open| {
            let item = Err(Box::new(error.clone()));
            open.writer.put_quietly(item, true).1
        });
        wakeups::wake(ends.collect::<Vec<Waker>>());
    }

    /// Hands over one step: tuples of a stream's id, its tokens, and where it ends a finish reason
    /// and usage.
    fn push(&self, step: &Bound<'_, PyAny>) -> PyResult<StepReport> {
        // All Python first: it may let other threads run, and they may want the lock.
        let mut items = Vec::new();
        let mut wrong = None;
        for (place, entry) in step.try_iter()?.enumerate() {
            match entry.and_then(|entry| read_entry(place, &entry)) {
                Ok(item) => items.push(item),
                Err(error) => {
                    wrong = Some(error);
                    break;
                }
            }
        }
        let mut push = Push::new(self);
        for (stream, item) in items {
            push.item(stream, item);
        }
        let report = push.done();
        wrong.map_or(Ok(report), Err)
    }

    /// Hands over one token for each of `streams`: unsigned integers of 64 and of 32 bits, by the
    /// buffer protocol.
    fn push_packed(
        &self,
        py: Python<'_>,
        streams: &Bound<'_, PyAny>,
        tokens: &Bound<'_, PyAny>,
    ) -> PyResult<StepReport> {
        let (streams, tokens) = (unpacked::<u64>(streams)?, unpacked::<u32>(tokens)?);
        if streams.len() != tokens.len() {
            return Err(errors::invalid_argument(
                py,
                format!(
                    "step: {} streams and {} tokens; give one token for each stream",
                    streams.len(),
                    tokens.len()
                ),
            ));
        }
        let mut push = Push::new(self);
        for (stream, token) in streams.into_iter().zip(tokens) {
            push.item(stream, Ok(Chunk::of_tokens(Tokens::One(token))));
        }
        Ok(push.done())
    }

    /// Streams that are open.
    fn __len__(&self) -> usize {
        self.streams.lock().open.len()
    }
}

/// One call of `push`, with the lock: no Python runs while it lives.
struct Push<'a> {
    streams: parking_lot::MutexGuard<'a, Streams>,
    readers: Vec<Waker>,
    cancelled: Vec<u64>,
    stalled: Vec<u64>,
}

impl<'a> Push<'a> {
    fn new(steps: &'a Steps) -> Self {
        Self {
            streams: steps.streams.lock(),
            readers: Vec::new(),
            cancelled: Vec::new(),
            stalled: Vec::new(),
        }
    }

    fn item(&mut self, stream: u64, item: Item) {
        let last = !matches!(&item, Ok(chunk) if !chunk.is_terminal());
        let Some(open) = self.streams.open.get(&stream) else {
            self.cancelled.push(stream);
            return;
        };
        let (put, reader) = open.writer.put_quietly(item, last);
        self.readers.extend(reader);
        if put == Put::Refused {
            self.cancelled.push(stream);
        }
        if last || put == Put::Refused {
            self.streams.open.remove(&stream);
        }
    }

    /// Looks at all that is open, also at what was not in this step.
    fn done(mut self) -> StepReport {
        let (readers, cancelled) = (&mut self.readers, &mut self.cancelled);
        let stalled = &mut self.stalled;
        self.streams.open.retain(|id, open| {
            let Some(unread) = open.writer.unread() else {
                cancelled.push(*id);
                return false;
            };
            let last = if open.context.may_abort() {
                Ok(Chunk::cancelled())
            } else if unread > LONGEST {
                Err(Box::new(overrun()))
            } else {
                if unread >= CAPACITY {
                    stalled.push(*id);
                }
                return true;
            };
            readers.extend(open.writer.put_quietly(last, true).1);
            cancelled.push(*id);
            false
        });
        wakeups::wake(self.readers);
        StepReport {
            cancelled: self.cancelled,
            stalled: self.stalled,
        }
    }
}

/// What an entry of a step hands over, and to which stream.
fn read_entry(place: usize, entry: &Bound<'_, PyAny>) -> PyResult<(u64, Item)> {
    let py = entry.py();
    let wrong = || {
        errors::invalid_argument(
            py,
            format!(
                "step: entry {place} is {}; accepted: (stream, token_ids), \
                 (stream, token_ids, finish_reason), (stream, token_ids, finish_reason, \
                 completion_usage), (stream, chunk) or (stream, exception)",
                described(entry)
            ),
        )
    };
    let tuple = entry.cast::<PyTuple>().map_err(|_| wrong())?;
    if !(2..=4).contains(&tuple.len()) {
        return Err(wrong());
    }
    let stream: u64 = tuple.get_item(0)?.extract().map_err(|_| wrong())?;
    let what = tuple.get_item(1)?;
    if tuple.len() == 2 {
        if what.is_instance_of::<PyDict>() {
            return Ok((stream, read(chunk::from_python(&what))));
        }
        if what.is_instance_of::<PyBaseException>() {
            return Ok((stream, Err(Box::new(errors::from_raised(&what)))));
        }
    }
    let tokens = if what.is_instance_of::<PyInt>() {
        chunk::token(&what).map(Tokens::One)
    } else {
        chunk::tokens(&what)
    };
    let mut made = tokens.map(Chunk::of_tokens);
    if tuple.len() > 2 {
        let (reason, usage) = (tuple.get_item(2)?, tuple.get_item(3).ok());
        made = made.and_then(|made| made.ending(&reason, usage.as_ref()));
    }
    Ok((stream, read(made)))
}

/// A copy of a buffer's items: another thread might write to them meanwhile.
fn unpacked<T: Element>(buffer: &Bound<'_, PyAny>) -> PyResult<Vec<T>> {
    // An empty one may point nowhere, which counts as not aligned.
    if buffer.len()? == 0 {
        return Ok(Vec::new());
    }
    PyBuffer::get(buffer)?.to_vec(buffer.py())
}

fn overrun() -> DynamoError {
    let message = format!(
        "the engine pushed {LONGEST} chunks that its client did not read, though it was told that \
         the stream is stalled"
    );
    backend(BackendError::Unknown, message)
}

fn read(chunk: Result<Chunk, String>) -> Item {
    chunk.map_err(|problem| {
        Box::new(backend(
            BackendError::Unknown,
            format!("the engine: {problem}"),
        ))
    })
}
