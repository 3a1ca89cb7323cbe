//! Metrics of a Python engine's own, in the worker's `/metrics`.

use std::os::fd::RawFd;
use std::sync::Arc;

use dynamo_backend_worker::DynamoError;
use dynamo_backend_worker::error::invalid_argument;
use dynamo_backend_worker::metrics::{
    EngineText, EngineTexts, MetricsBindings, MetricsContext, OnPublisherReady,
};
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;

use crate::calls::EventLoop;
use crate::convert::json::type_name;
use crate::eventfd::EventFd;
use crate::publishers::{SnapshotPublisher, hand_over};

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
            text: self.texts.add(move || asked.wake()),
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
    event_loop: EventLoop,
) -> Result<MetricsBindings, DynamoError> {
    if answer.is_none() {
        return Ok(MetricsBindings::default());
    }
    read_bindings(answer, event_loop).map_err(|error| {
        invalid_argument(format!(
            "returned {}, which cannot be read: {error}; it must return MetricsBindings or None",
            type_name(answer)
        ))
    })
}

fn read_bindings(answer: &Bound<'_, PyAny>, event_loop: EventLoop) -> PyResult<MetricsBindings> {
    let py = answer.py();
    let dp_ranks = answer.getattr(intern!(py, "dp_ranks"))?.extract()?;
    let on_ready = answer.getattr(intern!(py, "on_publisher_ready"))?;
    let on_publisher_ready = (!on_ready.is_none()).then(|| -> OnPublisherReady {
        let on_ready = Arc::new(on_ready.unbind());
        Arc::new(move |inner| hand_over(&event_loop, &on_ready, SnapshotPublisher { inner }))
    });
    Ok(MetricsBindings {
        dp_ranks,
        on_publisher_ready,
    })
}
