//! Calling Python from Rust: on the event loop's thread, awaited and read there.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use dynamo_backend_worker::DynamoError;
use parking_lot::Mutex;
use pyo3::IntoPyObjectExt;
use pyo3::intern;
use pyo3::prelude::*;
use tokio::sync::oneshot;

use crate::errors;
use crate::inbox::Outbox;

/// An event loop, seen from Rust.
#[derive(Clone)]
pub(crate) struct EventLoop {
    handle: Arc<Py<PyAny>>,
    pub(crate) outbox: Outbox,
    /// The loop itself holds tasks by weak references only.
    tasks: Arc<Mutex<HashMap<usize, Py<PyAny>>>>,
}

/// What is done with a task's result, on the loop's thread.
type OnDone = Box<dyn FnOnce(Python<'_>, PyResult<Bound<'_, PyAny>>) + Send>;

impl EventLoop {
    pub(crate) fn new(handle: Py<PyAny>, outbox: Outbox) -> Self {
        Self {
            handle: Arc::new(handle),
            outbox,
            tasks: Arc::default(),
        }
    }

    /// Has `function` make a coroutine on the loop's thread, awaits it there in a task of its own,
    /// and answers what `read` makes of its result there.
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
        self.outbox.post(move |py| {
            let on_done: OnDone = Box::new(move |py, result| {
                // Nobody waits any more where the run was given up.
                let _ = sender.send(read(py, result));
            });
            match function(py) {
                Ok(coroutine) => event_loop.start_task(coroutine, on_done),
                Err(raised) => {
                    on_done(py, Err(raised));
                    Ok(())
                }
            }
        });
        receiver.await.unwrap_or_else(|_| Err(errors::loop_ended()))
    }

    fn start_task(&self, coroutine: Bound<'_, PyAny>, on_done: OnDone) -> PyResult<()> {
        let py = coroutine.py();
        let task = self
            .handle
            .bind(py)
            .call_method1(intern!(py, "create_task"), (coroutine,))?;
        let done = TaskDone {
            on_done: Mutex::new(Some(on_done)),
            tasks: self.tasks.clone(),
        };
        task.call_method1(intern!(py, "add_done_callback"), (done,))?;
        self.tasks
            .lock()
            .insert(task.as_ptr() as usize, task.unbind());
        Ok(())
    }

    /// A future of the loop that resolves with what `work` answers.
    pub(crate) fn future<'py>(
        &self,
        py: Python<'py>,
        work: impl Future<Output = Option<bool>> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let future = self.create_future(py)?;
        let waiting = future.clone().unbind();
        let outbox = self.outbox.clone();
        crate::process::tokio()?.spawn(async move {
            let answer = work.await;
            outbox.post(move |py| resolve(waiting.bind(py), answer.into_py_any(py)));
        });
        Ok(future)
    }

    pub(crate) fn create_future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.handle
            .bind(py)
            .call_method0(intern!(py, "create_future"))
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
    tasks: Arc<Mutex<HashMap<usize, Py<PyAny>>>>,
}

#[pymethods]
impl TaskDone {
    fn __call__(&self, task: &Bound<'_, PyAny>) {
        let held = self.tasks.lock().remove(&(task.as_ptr() as usize));
        drop(held);
        let on_done = self.on_done.lock().take();
        if let Some(on_done) = on_done {
            let py = task.py();
            on_done(py, task.call_method0(intern!(py, "result")));
        }
    }
}
