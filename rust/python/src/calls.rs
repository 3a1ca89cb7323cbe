//! Calling Python from Rust: on the event loop's thread, awaited and read there.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dynamo_backend_worker::DynamoError;
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use tokio::sync::oneshot;

use crate::errors;
use crate::interpreter_end::Running;
use crate::outbox::Outbox;

/// An event loop, seen from Rust.
#[derive(Clone)]
pub(crate) struct EventLoop {
    handle: Arc<Py<PyAny>>,
    pub(crate) outbox: Outbox,
    /// By the number of their call. The loop itself holds tasks by weak references only.
    tasks: Arc<Mutex<HashMap<u64, Py<PyAny>>>>,
    calls: Arc<AtomicU64>,
}

/// What is done with a task's result, on the loop's thread.
type OnDone = Box<dyn FnOnce(Python<'_>, PyResult<Bound<'_, PyAny>>) + Send>;

impl EventLoop {
    pub(crate) fn new(handle: Py<PyAny>, outbox: Outbox) -> Self {
        Self {
            handle: Arc::new(handle),
            outbox,
            tasks: Arc::default(),
            calls: Arc::default(),
        }
    }

    /// Has `function` make a coroutine on the loop's thread, awaits it there in a task of its own,
    /// and answers what `read` makes of its result there. Dropped before that, it cancels the task.
    pub(crate) async fn call<F, R, T>(&self, function: F, read: R) -> Result<T, DynamoError>
    where
        F: FnOnce(Python<'_>) -> PyResult<Bound<'_, PyAny>> + Send + 'static,
        R: FnOnce(Python<'_>, PyResult<Bound<'_, PyAny>>) -> Result<T, DynamoError>
            + Send
            + 'static,
        T: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let event_loop = self.clone();
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        self.outbox.post(move |py| {
            let on_done: OnDone = Box::new(move |py, result| {
                // Nobody waits for a call that was dropped, nor is it to be read.
                if !sender.is_closed() {
                    let _ = sender.send(read(py, result));
                }
            });
            match function(py) {
                Ok(coroutine) => event_loop.start_task(call, coroutine, on_done),
                Err(raised) => {
                    on_done(py, Err(raised));
                    Ok(())
                }
            }
        });
        let unfinished = Unfinished {
            event_loop: self,
            call,
        };
        let answer = tokio::select! {
            biased;
            answer = receiver => answer.ok(),
            // A task that was begun there hangs for ever.
            () = self.outbox.gone() => None,
        };
        std::mem::forget(unfinished);
        answer.unwrap_or_else(|| Err(errors::loop_ended()))
    }

    fn start_task(&self, call: u64, coroutine: Bound<'_, PyAny>, on_done: OnDone) -> PyResult<()> {
        let py = coroutine.py();
        let task = self
            .handle
            .bind(py)
            .call_method1(intern!(py, "create_task"), (coroutine,))?;
        let done = TaskDone {
            on_done: Mutex::new(Some(on_done)),
            tasks: self.tasks.clone(),
            call,
        };
        task.call_method1(intern!(py, "add_done_callback"), (done,))?;
        self.tasks.lock().insert(call, task.unbind());
        Ok(())
    }

    /// A future of the loop, which `resolve` ends.
    pub(crate) fn create_future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.handle
            .bind(py)
            .call_method0(intern!(py, "create_future"))
    }
}

/// A call whose answer nobody waits for any more, once it is dropped.
struct Unfinished<'a> {
    event_loop: &'a EventLoop,
    call: u64,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let (tasks, call) = (self.event_loop.tasks.clone(), self.call);
        self.event_loop.outbox.post(move |py| {
            let task = tasks.lock().get(&call).map(|task| task.clone_ref(py));
            if let Some(task) = task {
                task.bind(py).call_method0(intern!(py, "cancel"))?;
            }
            Ok(())
        });
    }
}

/// Gives `future` its result, unless somebody cancelled it. On the loop's thread only.
pub(crate) fn resolve(future: &Bound<'_, PyAny>, result: PyResult<Py<PyAny>>) -> PyResult<()> {
    let py = future.py();
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    match result {
        Ok(value) => future.call_method1(intern!(py, "set_result"), (value,))?,
        Err(error) => future.call_method1(intern!(py, "set_exception"), (error.value(py),))?,
    };
    Ok(())
}

#[pyclass(frozen)]
struct TaskDone {
    on_done: Mutex<Option<OnDone>>,
    tasks: Arc<Mutex<HashMap<u64, Py<PyAny>>>>,
    call: u64,
}

#[pymethods]
impl TaskDone {
    fn __call__(&self, task: &Bound<'_, PyAny>) {
        let Some(_running) = Running::begin(task.py()) else {
            return;
        };
        let held = self.tasks.lock().remove(&self.call);
        drop(held);
        let on_done = self.on_done.lock().take();
        if let Some(on_done) = on_done {
            let py = task.py();
            on_done(py, task.call_method0(intern!(py, "result")));
        }
    }
}
