//! What a Python engine registers the cards of its LoRA adapters with: on the event loop's thread.

use std::future::Future;

use dynamo_backend_handoff::origin::Origin;
use dynamo_backend_worker::{self as worker, CardChanges, DynamoError};
use pyo3::intern;
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
        let (cards, update) = (self.inner.clone(), Update::current(py)?);
        let publishing = async move { cards.publish(&name).await };
        self.awaited(py, CardChanges::part_of(update, publishing))
    }

    fn withdraw<'py>(&self, py: Python<'py>, name: String) -> PyResult<Bound<'py, PyAny>> {
        fork::check(self.origin, "withdraw")?;
        let (cards, update) = (self.inner.clone(), Update::current(py)?);
        let withdrawing = async move { cards.withdraw(&name).await };
        self.awaited(py, CardChanges::part_of(update, withdrawing))
    }
}

/// An update of the engine's, in a context variable of the task that performs it and of all that
/// this calls, awaits or starts.
#[pyclass(frozen)]
pub(crate) struct Update(CardChanges);

impl Update {
    pub(crate) fn new(changes: CardChanges) -> Self {
        Self(changes)
    }

    fn current(py: Python<'_>) -> PyResult<Option<CardChanges>> {
        let update: Option<PyRef<'_, Self>> = py
            .import(intern!(py, "dynamo_backend_common._serving.update"))?
            .getattr(intern!(py, "current_update"))?
            .call_method0(intern!(py, "get"))?
            .extract()?;
        Ok(update.map(|update| update.0.clone()))
    }
}
