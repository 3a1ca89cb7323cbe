//! What a Python engine registers the cards of its LoRA adapters with: on the event loop's thread.

use std::future::Future;

use dynamo_backend_handoff::origin::Origin;
use dynamo_backend_worker::{self as worker, DynamoError};
use pyo3::prelude::*;

use crate::calls::{EventLoop, resolve};
use crate::errors;
use crate::fork;
use crate::runtime;

/// Registers a card for each LoRA adapter of an engine.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct AdapterCards {
    inner: worker::AdapterCards,
    event_loop: EventLoop,
    origin: Origin,
}

impl AdapterCards {
    pub(crate) fn new(inner: worker::AdapterCards, event_loop: EventLoop) -> Self {
        Self {
            inner,
            event_loop,
            origin: Origin::here(),
        }
    }

    /// A future of the loop, for what is done on the runtime.
    fn awaited<'py>(
        &self,
        py: Python<'py>,
        work: impl Future<Output = Result<(), DynamoError>> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let future = self.event_loop.create_future(py)?;
        let (waiting, event_loop) = (future.clone().unbind(), self.event_loop.clone());
        runtime::tokio()?.spawn(async move {
            let result = work.await;
            event_loop.outbox.post(move |py| {
                let result = result
                    .map(|()| py.None())
                    .map_err(|error| errors::to_exception(py, &error, None));
                resolve(waiting.bind(py), result)
            });
        });
        Ok(future)
    }
}

#[pymethods]
impl AdapterCards {
    fn publish<'py>(&self, py: Python<'py>, name: String) -> PyResult<Bound<'py, PyAny>> {
        fork::check(self.origin, "publish")?;
        let cards = self.inner.clone();
        self.awaited(py, async move { cards.publish(&name).await })
    }

    fn withdraw<'py>(&self, py: Python<'py>, name: String) -> PyResult<Bound<'py, PyAny>> {
        fork::check(self.origin, "withdraw")?;
        let cards = self.inner.clone();
        self.awaited(py, async move { cards.withdraw(&name).await })
    }
}
