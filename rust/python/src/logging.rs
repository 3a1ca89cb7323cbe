//! The log of the Rust side, through Python's `logging`.
//!
//! An event becomes a [`record`] on the thread that it happens on and waits in a bounded [`queue`];
//! the event loop's thread hands the records over in batches, under the GIL that it holds already.
//! Where the process is ended at once, what still waits is written to standard error.
//!
//! The process's first run decides, once, where the log goes. It is never set up at import.

mod capture;
mod filter;
mod queue;
mod record;
mod request;

use std::sync::OnceLock;

use dynamo_backend_worker::{before_exit, process, trace};
use pyo3::intern;
use pyo3::prelude::*;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::outbox::Outbox;
use capture::Capture;
use queue::Queue;

/// Exists where the log goes to Python's `logging`.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Sets up Dynamo's own logging, where the process has no subscriber yet. Answers whether its lines
/// are JSON, and whether their times are local.
#[pyfunction]
pub(crate) fn log_to_stderr() -> (bool, bool) {
    process::init_logging();
    (process::logs_json(), process::logs_local_time())
}

/// Sends the log of the Rust side to Python's `logging`, where the process has no subscriber yet.
#[pyfunction]
pub(crate) fn log_to_python(py: Python<'_>) -> PyResult<()> {
    if tracing::dispatcher::has_been_set() {
        return Ok(());
    }
    let queue = QUEUE.get_or_init(Queue::new);
    let layer = Capture::new(queue).with_filter(filter::from_env());
    // Below: an event finds the trace that a span was given.
    let spans = trace::runtime_spans().map(|spans| spans.with_filter(filter::from_env()));
    if tracing_subscriber::registry()
        .with(spans)
        .with(layer)
        .try_init()
        .is_err()
    {
        // Somebody else was faster, or the `log` crate has a logger of somebody else's: what
        // `tracing` itself brings goes where the process's subscriber sends it.
        return Ok(());
    }
    queue.refresh(py);
    before_exit(leave_on_stderr);
    // Hooks run in reverse: this one before that of `logging`, which closes its handlers.
    let flush = wrap_pyfunction!(flush_log, py)?;
    py.import(intern!(py, "atexit"))?
        .call_method1(intern!(py, "register"), (flush,))?;
    Ok(())
}

/// Hands what waits over to Python's `logging` now, on the calling thread.
#[pyfunction]
pub(crate) fn flush_log(py: Python<'_>) {
    if let Some(queue) = QUEUE.get() {
        queue.deliver_all(py);
    }
}

/// From now on the event loop behind `outbox` is woken for records.
pub(crate) fn attach(outbox: &Outbox) {
    if let Some(queue) = QUEUE.get() {
        queue.attach(outbox.clone());
    }
}

/// The event loop behind `outbox` takes no more records.
pub(crate) fn detach(outbox: &Outbox) {
    if let Some(queue) = QUEUE.get() {
        queue.detach(outbox);
    }
}

fn leave_on_stderr(write: &mut dyn FnMut(&str)) {
    if let Some(queue) = QUEUE.get() {
        queue.leave(write);
    }
}
