//! Metrics of a Python engine's own, in the worker's `/metrics`.

use std::os::fd::RawFd;
use std::sync::Arc;

use dynamo_backend_handoff::eventfd::EventFd;
use dynamo_backend_handoff::mailbox::Bell;
use dynamo_backend_worker::error::invalid_argument;
use dynamo_backend_worker::metrics::{EngineText, EngineTexts};
use dynamo_backend_worker::{DynamoError, MetricsBindings, MetricsContext, OnPublisherReady};
use futures::FutureExt;
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::convert::type_name::type_name;
use crate::publishers::SnapshotPublisher;
use crate::python_engine::PythonEngine;

/// The metrics of the worker's endpoint. A scrape reads the texts that were set last, without the
/// GIL.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct MetricsCore {
    exposition: Arc<Mutex<String>>,
    texts: EngineTexts,
    #[pyo3(get)]
    labels: Vec<(String, String)>,
}

impl MetricsCore {
    pub(crate) fn new(context: &MetricsContext) -> Self {
        let exposition = Arc::new(Mutex::new(String::new()));
        let shown = exposition.clone();
        context
            .metrics
            .add_expfmt_callback(Arc::new(move || Ok(shown.lock().clone())));
        Self {
            exposition,
            texts: context.texts.clone(),
            labels: context.labels.clone(),
        }
    }
}

#[pymethods]
impl MetricsCore {
    fn set_exposition(&self, text: String) {
        *self.exposition.lock() = text;
    }

    fn add_source(&self) -> PyResult<MetricsSource> {
        let wake = Arc::new(EventFd::open(0)?);
        let asked = wake.clone();
        Ok(MetricsSource {
            text: self.texts.add(move || asked.ring()),
            wake,
        })
    }
}

/// One text of a worker's metrics, and the descriptor by which a scrape asks for it.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct MetricsSource {
    text: EngineText,
    wake: Arc<EventFd>,
}

#[pymethods]
impl MetricsSource {
    fn fileno(&self) -> RawFd {
        self.wake.number()
    }

    fn show(&self, text: String) {
        self.text.show(text);
    }

    fn failed(&self) {
        self.text.failed();
    }

    fn close(&self) {
        self.text.close();
    }

    #[getter]
    fn closed(&self) -> bool {
        self.text.is_closed()
    }
}

/// Reads what an engine's `setup_metrics` returned.
pub(crate) fn bindings(
    answer: &Bound<'_, PyAny>,
    engine: &PythonEngine,
) -> Result<MetricsBindings, DynamoError> {
    if answer.is_none() {
        return Ok(MetricsBindings::default());
    }
    let field = |name: &str| {
        answer.getattr(name).map_err(|_| {
            invalid_argument(format!(
                "returned {}; it must return MetricsBindings or None",
                type_name(answer)
            ))
        })
    };
    let ranks = field("dp_ranks")?;
    let dp_ranks = ranks.extract().map_err(|_| {
        invalid_argument(format!(
            "dp_ranks is {ranks:?}; it must be a sequence of whole numbers from 0 to {}",
            u32::MAX
        ))
    })?;
    let on_ready = field("on_publisher_ready")?;
    if !on_ready.is_none() && !on_ready.is_callable() {
        return Err(invalid_argument(format!(
            "on_publisher_ready is {}, which cannot be called",
            type_name(&on_ready)
        )));
    }
    let on_publisher_ready = (!on_ready.is_none()).then(|| -> OnPublisherReady {
        let (on_ready, engine) = (Mutex::new(Some(on_ready.unbind())), engine.clone());
        Arc::new(move |inner| match on_ready.lock().take() {
            Some(on_ready) => engine.hand_over(
                "on_publisher_ready",
                on_ready,
                SnapshotPublisher::new(inner),
            ),
            None => std::future::ready(Ok(())).boxed(),
        })
    });
    Ok(MetricsBindings {
        dp_ranks,
        on_publisher_ready,
    })
}
