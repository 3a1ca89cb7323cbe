//! Calling Python from Rust: on the event loop's thread, awaited there.

use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
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
}

type Answer = Result<Py<PyAny>, PyErr>;

impl EventLoop {
    pub(crate) fn new(handle: Py<PyAny>, outbox: Outbox) -> Self {
        Self {
            handle: Arc::new(handle),
            outbox,
        }
    }

    /// Runs `function` on the loop's thread and waits for what it answers; where that can be
    /// awaited, for what it answers there.
    pub(crate) async fn call<F>(&self, function: F) -> Answer
    where
        F: FnOnce(Python<'_>) -> PyResult<Bound<'_, PyAny>> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let event_loop = self.handle.clone();
        self.outbox.post(move |py| {
            let awaited = function(py).and_then(|answer| awaited(&event_loop, answer));
            match awaited {
                Ok(Started::Done(answer)) => drop(sender.send(Ok(answer))),
                Ok(Started::Task(task)) => {
                    let done = TaskDone {
                        sender: Mutex::new(Some(sender)),
                    };
                    task.bind(py)
                        .call_method1(intern!(py, "add_done_callback"), (done,))?;
                }
                Err(error) => drop(sender.send(Err(error))),
            }
            Ok(())
        });
        receiver.await.unwrap_or_else(|_| Err(errors::loop_ended()))
    }

    /// A future of the loop that resolves with `None` when `work` does.
    pub(crate) fn future<'py>(
        &self,
        py: Python<'py>,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let future = self.create_future(py)?;
        let waiting = future.clone().unbind();
        let outbox = self.outbox.clone();
        crate::process::tokio()?.spawn(async move {
            work.await;
            outbox.post(move |py| resolve(waiting.bind(py), Ok(py.None())));
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
pub(crate) fn resolve(future: &Bound<'_, PyAny>, result: Answer) -> PyResult<()> {
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

enum Started {
    Done(Py<PyAny>),
    Task(Py<PyAny>),
}

fn awaited(event_loop: &Py<PyAny>, answer: Bound<'_, PyAny>) -> PyResult<Started> {
    let py = answer.py();
    if !answer.hasattr(intern!(py, "__await__"))? {
        return Ok(Started::Done(answer.unbind()));
    }
    // `ensure_future` also takes awaitables that are no coroutines.
    let options = pyo3::types::PyDict::new(py);
    options.set_item(intern!(py, "loop"), event_loop)?;
    let task = py.import(intern!(py, "asyncio"))?.call_method(
        intern!(py, "ensure_future"),
        (answer,),
        Some(&options),
    )?;
    Ok(Started::Task(task.unbind()))
}

#[pyclass(frozen)]
struct TaskDone {
    sender: Mutex<Option<oneshot::Sender<Answer>>>,
}

#[pymethods]
impl TaskDone {
    fn __call__(&self, task: &Bound<'_, PyAny>) {
        let answer = task
            .call_method0(intern!(task.py(), "result"))
            .map(Bound::unbind);
        if let Some(sender) = self.sender.lock().take() {
            // Nobody waits any more where the run was given up.
            let _ = sender.send(answer);
        }
    }
}
