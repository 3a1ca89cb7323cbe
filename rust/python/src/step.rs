//! The step push: one call hands over what one step of an engine made for all its requests.

mod failures;
mod push;
mod streams;
mod wait;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dynamo_backend_handoff::chunk::Tokens;
use dynamo_backend_handoff::notify::{Notice, Notify};
use dynamo_backend_handoff::origin::Origin;
use dynamo_backend_worker::DynamoError;
use dynamo_backend_worker::error::{BackendError, backend};
use pyo3::buffer::Element;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::chunk::{Chunk, Item};
use crate::context::RequestContext;
use crate::convert::chunk;
use crate::convert::integers;
use crate::convert::shown::described;
use crate::errors;
use crate::fork;
use crate::interpreter_end::Running;
use crate::runtime;
use failures::Failures;
pub(crate) use push::Push;
use streams::Open;
pub(crate) use streams::{Request, Shared, StepReport};

/// Where a step loop hands over its tokens, from any thread that holds the GIL already.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct Steps {
    shared: Arc<Shared>,
    last_id: AtomicU64,
    origin: Origin,
}

/// One request whose chunks come by steps.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct StepStream {
    #[pyo3(get)]
    pub(crate) id: u64,
    pub(crate) is_open: Arc<AtomicBool>,
    notify: Arc<Notify>,
}

#[pymethods]
impl StepStream {
    /// ``generate`` has returned it: what it wants of the step loop is where that finds it.
    fn begin(&self) {
        self.notify.notify(Notice::Wake);
    }

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
impl Steps {
    #[new]
    fn new() -> Self {
        Self {
            shared: Arc::default(),
            last_id: AtomicU64::new(0),
            origin: Origin::here(),
        }
    }

    /// Opens a stream for the request of `context`.
    fn open(&self, py: Python<'_>, context: &RequestContext) -> PyResult<StepStream> {
        fork::check(self.origin, "Steps.open")?;
        let Some(_running) = Running::begin(py) else {
            return Err(errors::internal("Steps.open: the interpreter ends"));
        };
        let (writer, reading) = context.stream().ok_or_else(|| {
            errors::invalid_argument(
                py,
                "context: no step loop can push to this one, as it came with abort, is detached, or is of an \
                 engine that takes no tokens; open a stream with that of generate",
            )
        })?;
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let is_open = Arc::new(AtomicBool::new(true));
        let open = Open {
            writer,
            request: Arc::new(Request {
                context: context.inner().clone(),
                reading,
            }),
            is_open: is_open.clone(),
        };
        let tokio = runtime::tokio()?;
        let mut streams = self.shared.streams.lock();
        if let Some(error) = streams.failed.clone() {
            drop(streams);
            return Err(errors::to_exception(py, &error, None));
        }
        streams.open.insert(id, open);
        drop(streams);
        let (notify, unread) = (self.shared.notify.clone(), context.unread());
        tokio.spawn({
            let notify = notify.clone();
            async move {
                unread.await;
                notify.notify(Notice::Look);
            }
        });
        Ok(StepStream {
            id,
            is_open,
            notify,
        })
    }

    /// Blocks until there is something to report, or for `timeout` seconds. It holds no Python
    /// meanwhile, so the interpreter can end.
    #[pyo3(signature = (timeout = None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<StepReport> {
        fork::check(self.origin, "Steps.wait")?;
        if timeout.is_some_and(|seconds| seconds.is_nan() || seconds < 0.0) {
            return Err(errors::invalid_argument(
                py,
                format!(
                    "timeout: {} is no time to wait; accepted: seconds, 0 or more, or None",
                    timeout.unwrap_or_default()
                ),
            ));
        }
        if Running::begin(py).is_none() {
            return Ok(self.all_are_cancelled());
        }
        // One that is too far away is none.
        let until = timeout
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .and_then(|left| Instant::now().checked_add(left));
        Ok(py.detach(|| self.shared.wait(until)))
    }

    /// Has `wait` return, also the next one.
    fn wake(&self) -> PyResult<()> {
        fork::check(self.origin, "Steps.wake")?;
        self.shared.notify.notify(Notice::Wake);
        Ok(())
    }

    /// Fails every stream that is open, and each that is opened from here on. While the interpreter
    /// ends nobody is there to hear of it, nor in a forked child.
    fn fail(&self, error: &Bound<'_, PyBaseException>) {
        let running = Running::begin(error.py());
        if running.is_none() || !self.origin.is_here() {
            return;
        }
        let mut failures = Failures::default();
        for request in self.shared.fail(&errors::from_failed_engine(error)) {
            failures.add(error, request);
        }
        failures.log(error.py());
    }

    /// Hands over one step: tuples of a stream's id, its tokens, and where it ends a finish reason
    /// and usage. An entry that is none is refused when the others are handed over. While the
    /// interpreter ends it takes nothing, and every stream is cancelled.
    fn push(&self, step: &Bound<'_, PyAny>) -> PyResult<StepReport> {
        fork::check(self.origin, "Steps.push")?;
        let Some(_running) = Running::begin(step.py()) else {
            return Ok(self.all_are_cancelled());
        };
        // All Python first: it may let other threads run, and they may want the lock.
        let mut items = Vec::new();
        let mut failures = Failures::default();
        let mut wrong = None;
        for (place, entry) in step.try_iter()?.enumerate() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(raised) => {
                    if let Some(refused) = wrong.replace(raised) {
                        tracing::error!("{refused}");
                    }
                    break;
                }
            };
            match self.read_entry(place, &entry, &mut failures) {
                Ok(item) => items.push(item),
                // One of them is raised.
                Err(refused) if wrong.is_some() => tracing::error!("{refused}"),
                Err(refused) => wrong = Some(refused),
            }
        }
        let mut push = Push::new(&self.shared, self.shared.untold());
        for (stream, item) in items {
            push.item(stream, item);
        }
        let report = push.done();
        failures.log(step.py());
        match wrong {
            None => Ok(report),
            Some(wrong) => {
                self.shared.streams.lock().stalled.clear();
                self.shared.tell(report.cancelled);
                Err(wrong)
            }
        }
    }

    /// Hands over one token for each of `streams`: arrays, by the buffer protocol.
    fn push_packed(
        &self,
        py: Python<'_>,
        streams: &Bound<'_, PyAny>,
        tokens: &Bound<'_, PyAny>,
    ) -> PyResult<StepReport> {
        fork::check(self.origin, "Steps.push_packed")?;
        let Some(_running) = Running::begin(py) else {
            return Ok(self.all_are_cancelled());
        };
        let streams = packed::<u64>(streams, "streams", u64::MAX)?;
        let tokens = packed::<u32>(tokens, "tokens", u32::MAX.into())?;
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
        let mut push = Push::new(&self.shared, self.shared.untold());
        for (stream, token) in streams.into_iter().zip(tokens) {
            push.item(stream, Ok(Chunk::of_tokens(Tokens::One(token))));
        }
        Ok(push.done())
    }

    /// Streams that are open.
    fn __len__(&self) -> usize {
        self.shared.streams.lock().open.len()
    }
}

impl Steps {
    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    fn all_are_cancelled(&self) -> StepReport {
        let mut streams = self.shared.streams.lock();
        StepReport {
            cancelled: streams.open.drain().map(|(id, _)| id).collect(),
            stalled: Vec::new(),
        }
    }

    /// What an entry of a step hands over, and to which stream.
    fn read_entry(
        &self,
        place: usize,
        entry: &Bound<'_, PyAny>,
        failures: &mut Failures,
    ) -> PyResult<(u64, Item)> {
        let wrong = || {
            errors::invalid_argument(
                entry.py(),
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
        let id = tuple.get_item(0)?;
        let stream = integers::small(&id).map(u64::from);
        let stream = stream.or_else(|| integers::of_any(&id)).ok_or_else(wrong)?;
        let what = tuple.get_item(1)?;
        let alone = tuple.len() == 2;
        if alone && let Some(token) = integers::small(&what) {
            return Ok((stream, Ok(Chunk::of_tokens(Tokens::One(token)))));
        }
        if alone && !what.is_instance_of::<PyDict>() && !what.is_instance_of::<PyBaseException>() {
            let made = chunk::token_or_tokens(&what).map(Chunk::of_tokens);
            let item = made.or_else(|problem| match self.of(stream) {
                Some(open) => Err(open.refuse(&problem)),
                None => Ok(Chunk::default()),
            });
            return Ok((stream, item));
        }
        // Of a stream that is open no more, its engine is told whatever it hands over.
        let Some(open) = self.of(stream) else {
            return Ok((stream, Ok(Chunk::default())));
        };
        if alone && what.is_instance_of::<PyBaseException>() {
            failures.add(&what, open);
            return Ok((stream, Err(Box::new(errors::from_raised(&what)))));
        }
        let made = if alone {
            chunk::from_python(&what, &open.reading)
        } else {
            let (reason, usage) = (tuple.get_item(2)?, tuple.get_item(3).ok());
            chunk::token_or_tokens(&what).and_then(|tokens| {
                chunk::ending(
                    Chunk::of_tokens(tokens),
                    &reason,
                    usage.as_ref(),
                    &open.reading,
                )
            })
        };
        Ok((stream, made.map_err(|problem| open.refuse(&problem))))
    }

    fn of(&self, stream: u64) -> Option<Arc<Request>> {
        let streams = self.shared.streams.lock();
        streams.open.get(&stream).map(|open| open.request.clone())
    }
}

impl Request {
    /// The error of an entry that is no chunk; it ends the stream.
    fn refuse(&self, problem: &str) -> Box<DynamoError> {
        let message = format!("{}: {problem}", self.reading.engine());
        tracing::error!(request_id = self.context.id(), "{message}");
        Box::new(backend(BackendError::Unknown, message))
    }
}

/// The integers of a whole argument of `push_packed`.
fn packed<'py, T>(value: &Bound<'py, PyAny>, name: &str, most: u64) -> PyResult<Vec<T>>
where
    T: Element + TryFrom<i64> + TryFrom<u64> + for<'a> FromPyObject<'a, 'py>,
{
    if let Some(items) = integers::of_array(value, 1) {
        return Ok(items);
    }
    // One by one, so that the wrong one can be named.
    let refused = |place: &str, what: &Bound<'py, PyAny>, accepted: &str| {
        let what = described(what);
        let message = format!("step: {name}{place} is {what}; accepted: {accepted}");
        errors::invalid_argument(value.py(), message)
    };
    let items = value
        .try_iter()
        .map_err(|_| refused("", value, "an array or a list of integers"))?;
    items
        .enumerate()
        .map(|(place, item)| {
            let item = item?;
            integers::of_any(&item).ok_or_else(|| {
                let accepted = format!("integers from 0 to {most}");
                refused(&format!("[{place}]"), &item, &accepted)
            })
        })
        .collect()
}
