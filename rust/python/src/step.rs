//! The step push: one call hands over what one step of an engine made for all its requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use dynamo_backend_worker::error::{BackendError, backend};
use dynamo_backend_worker::{LLMEngineOutput, RequestContext as Inner};
use parking_lot::Mutex;
use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyBaseException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyTuple};

use crate::context::RequestContext;
use crate::convert::chunk;
use crate::convert::json::type_name;
use crate::errors;
use crate::lane::{Item, Lane, Pushed};
use crate::process;

/// Chunks that may wait for a client before its request fails: its engine did not heed `stalled`.
const LONGEST: usize = 65_536;

/// Where a step loop hands over its tokens, from any thread that holds the GIL already.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct Steps {
    open: Mutex<HashMap<u64, Open>>,
    last_id: AtomicU64,
}

struct Open {
    lane: Arc<Lane>,
    context: Inner,
}

/// One request whose chunks come by steps.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct StepStream {
    #[pyo3(get)]
    id: u64,
}

/// What a push tells the engine.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct StepReport {
    /// Streams that nobody wants any more: they are closed.
    #[pyo3(get)]
    cancelled: Vec<u64>,
    /// Streams whose clients are far behind.
    #[pyo3(get)]
    stalled: Vec<u64>,
}

#[pymethods]
impl StepStream {
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
            open: Mutex::default(),
            last_id: AtomicU64::new(0),
        }
    }

    /// Opens a stream for the request of `context`.
    fn open(&self, py: Python<'_>, context: &RequestContext) -> PyResult<StepStream> {
        let lane = context.lane().ok_or_else(|| {
            errors::invalid_argument(
                py,
                "context: this one was only told to abort; open a stream with that of generate",
            )
        })?;
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let open = Open {
            lane: lane.clone(),
            context: context.inner().clone(),
        };
        self.open.lock().insert(id, open);
        Ok(StepStream { id })
    }

    /// Hands over one step: tuples of a stream's id, its tokens, and where it ends a finish reason
    /// and usage.
    fn push(&self, step: &Bound<'_, PyAny>) -> PyResult<StepReport> {
        let mut push = Push::new(self);
        for (place, entry) in step.try_iter()?.enumerate() {
            push.entry(place, &entry?)?;
        }
        push.done()
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
            push.tokens(stream, &[token]);
        }
        push.done()
    }

    /// Streams that are open.
    fn __len__(&self) -> usize {
        self.open.lock().len()
    }
}

/// One call of `push`.
struct Push<'a> {
    open: parking_lot::MutexGuard<'a, HashMap<u64, Open>>,
    readers: Vec<Waker>,
    cancelled: Vec<u64>,
    stalled: Vec<u64>,
}

impl<'a> Push<'a> {
    fn new(steps: &'a Steps) -> Self {
        Self {
            open: steps.open.lock(),
            readers: Vec::new(),
            cancelled: Vec::new(),
            stalled: Vec::new(),
        }
    }

    fn entry(&mut self, place: usize, entry: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = entry.py();
        let wrong = || {
            errors::invalid_argument(
                py,
                format!(
                    "step: entry {place} is {} of type {}; accepted: (stream, token_ids), \
                     (stream, token_ids, finish_reason), (stream, token_ids, finish_reason, \
                     completion_usage), (stream, chunk) or (stream, exception)",
                    entry
                        .repr()
                        .map_or_else(|_| "?".into(), |it| it.to_string()),
                    type_name(entry)
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
                self.item(stream, read(chunk::from_python(&what)));
                return Ok(());
            }
            if what.is_instance_of::<PyBaseException>() {
                self.item(stream, Err(errors::from_raised(&what)));
                return Ok(());
            }
        }
        let tokens = if what.is_instance_of::<PyInt>() {
            chunk::token(&what).map(Tokens::One)
        } else {
            chunk::tokens(&what).map(Tokens::Many)
        };
        match tokens {
            Err(problem) => self.refuse(stream, &problem),
            Ok(tokens) if tuple.len() == 2 => self.tokens(stream, tokens.as_slice()),
            Ok(tokens) => {
                let last = last_chunk(tuple, tokens.as_slice())?;
                self.item(stream, last);
            }
        }
        Ok(())
    }

    fn tokens(&mut self, stream: u64, tokens: &[u32]) {
        match self.open.get(&stream) {
            Some(open) => {
                let pushed = open.lane.push_tokens(tokens);
                self.pushed(stream, pushed);
            }
            None => self.cancelled.push(stream),
        }
    }

    fn item(&mut self, stream: u64, item: Item) {
        let ends = !matches!(&item, Ok(chunk) if chunk.finish_reason.is_none());
        match self.open.get(&stream) {
            Some(open) => {
                let pushed = open.lane.push(item);
                self.pushed(stream, pushed);
            }
            None => self.cancelled.push(stream),
        }
        if ends {
            self.open.remove(&stream);
        }
    }

    /// Ends a stream whose engine gave it what is no chunk.
    fn refuse(&mut self, stream: u64, problem: &str) {
        self.item(stream, read(Err(problem.to_owned())));
    }

    fn pushed(&mut self, stream: u64, (pushed, reader): (Pushed, Option<Waker>)) {
        self.readers.extend(reader);
        match pushed {
            Pushed::Taken => {}
            Pushed::Full => self.stalled.push(stream),
            Pushed::Refused => {
                self.open.remove(&stream);
                self.cancelled.push(stream);
            }
        }
    }

    /// Looks at all that is open, also at what was not in this step.
    fn done(mut self) -> PyResult<StepReport> {
        let (readers, cancelled) = (&mut self.readers, &mut self.cancelled);
        let stalled = &self.stalled;
        self.open.retain(|id, open| {
            if open.lane.is_abandoned() {
                cancelled.push(*id);
                return false;
            }
            let last = if open.context.is_stopped() {
                Ok(LLMEngineOutput::cancelled())
            } else if stalled.contains(id) && open.lane.waiting() > LONGEST {
                Err(backend(
                    BackendError::Unknown,
                    format!(
                        "the engine pushed {LONGEST} chunks that its client did not read, though \
                         it was told that the stream is stalled"
                    ),
                ))
            } else {
                return true;
            };
            readers.extend(open.lane.push(last).1);
            cancelled.push(*id);
            false
        });
        wake_all(std::mem::take(&mut self.readers))?;
        Ok(StepReport {
            cancelled: self.cancelled,
            stalled: self.stalled,
        })
    }
}

/// Most steps make one token for each stream: those need no memory of their own.
enum Tokens {
    One(u32),
    Many(Vec<u32>),
}

impl Tokens {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(token) => std::slice::from_ref(token),
            Self::Many(tokens) => tokens,
        }
    }
}

/// A copy of a buffer's items: another thread might write to them meanwhile.
fn unpacked<T: Element>(buffer: &Bound<'_, PyAny>) -> PyResult<Vec<T>> {
    // An empty one may point nowhere, which counts as not aligned.
    if buffer.len()? == 0 {
        return Ok(Vec::new());
    }
    PyBuffer::get(buffer)?.to_vec(buffer.py())
}

/// From a thread of tokio's the readers go to its own queue: one wake-up for all of them.
fn wake_all(mut readers: Vec<Waker>) -> PyResult<()> {
    if readers.len() > 1 {
        process::tokio()?.spawn(async move { readers.into_iter().for_each(Waker::wake) });
    } else if let Some(reader) = readers.pop() {
        reader.wake();
    }
    Ok(())
}

/// A chunk with what the third and fourth places of an entry say.
fn last_chunk(entry: &Bound<'_, PyTuple>, token_ids: &[u32]) -> PyResult<Item> {
    let py = entry.py();
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "token_ids"), token_ids)?;
    dict.set_item(intern!(py, "finish_reason"), entry.get_item(2)?)?;
    if entry.len() == 4 {
        dict.set_item(intern!(py, "completion_usage"), entry.get_item(3)?)?;
    }
    Ok(read(chunk::from_python(dict.as_any())))
}

fn read(chunk: Result<LLMEngineOutput, String>) -> Item {
    chunk.map_err(|problem| backend(BackendError::Unknown, format!("the engine: {problem}")))
}
