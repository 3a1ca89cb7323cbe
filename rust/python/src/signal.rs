//! Something of a request that happens once, and the futures of the event loop that wait for it.

use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;

use crate::calls::{EventLoop, resolve};
use crate::errors;
use crate::interpreter_end::Running;
use crate::runtime;

/// One task of tokio watches for all futures. Each caller gets a future of its own, as who waits in
/// a task that is cancelled cancels the future too; those that nobody has any more are let go.
#[derive(Clone, Default)]
pub(crate) struct Signal {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
enum State {
    #[default]
    Unwatched,
    Watched(Vec<Py<PyAny>>),
    Happened,
}

impl Signal {
    /// A future that resolves with None when `happens` does; what is given first is watched.
    /// On the event loop's thread only.
    pub(crate) fn future<'py>(
        &self,
        py: Python<'py>,
        event_loop: &EventLoop,
        happens: impl Future<Output = ()> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some(_running) = Running::begin(py) else {
            return Err(errors::internal("the interpreter ends"));
        };
        let future = event_loop.create_future(py)?;
        match &mut *self.state.lock() {
            State::Happened => {
                resolve(&future, Ok(py.None()))?;
                return Ok(future);
            }
            State::Watched(waiting) => {
                waiting.retain(|each| is_awaited(each.bind(py)));
                waiting.push(future.clone().unbind());
                return Ok(future);
            }
            unwatched => *unwatched = State::Watched(vec![future.clone().unbind()]),
        }
        let (signal, outbox) = (self.clone(), event_loop.outbox.clone());
        runtime::tokio()?.spawn(async move {
            happens.await;
            outbox.post(move |py| signal.resolve_all(py));
        });
        Ok(future)
    }

    fn resolve_all(&self, py: Python<'_>) -> PyResult<()> {
        let state = std::mem::replace(&mut *self.state.lock(), State::Happened);
        if let State::Watched(waiting) = state {
            for future in waiting {
                resolve(future.bind(py), Ok(py.None()))?;
            }
        }
        Ok(())
    }
}

/// Whether anybody could notice that the future resolves.
fn is_awaited(future: &Bound<'_, PyAny>) -> bool {
    let py = future.py();
    // SAFETY: the object lives, and the GIL is held.
    let held_elsewhere = unsafe { ffi::Py_REFCNT(future.as_ptr()) } > 1;
    let is = |answer: PyResult<Bound<'_, PyAny>>| {
        answer.is_ok_and(|is| is.is_truthy().is_ok_and(|is| is))
    };
    if held_elsewhere {
        !is(future.call_method0(intern!(py, "done")))
    } else {
        is(future.getattr(intern!(py, "_callbacks")))
    }
}
