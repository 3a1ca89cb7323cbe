//! Metrics of a Python engine's own, in the worker's `/metrics`.

use std::sync::Arc;

use dynamo_backend_worker::DynamoError;
use dynamo_backend_worker::error::invalid_argument;
use dynamo_backend_worker::metrics::{MetricsBindings, MetricsContext, OnPublisherReady};
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;

use crate::calls::EventLoop;
use crate::convert::json::type_name;
use crate::publishers::{SnapshotPublisher, hand_over};

/// The metrics of the worker's endpoint. A scrape reads the text that was set last, without the
/// GIL.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct EndpointMetrics {
    exposition: Arc<Mutex<String>>,
}

impl EndpointMetrics {
    pub(crate) fn new(context: &MetricsContext) -> Self {
        let exposition = Arc::new(Mutex::new(String::new()));
        let shown = exposition.clone();
        context
            .metrics
            .add_expfmt_callback(Arc::new(move || Ok(shown.lock().clone())));
        Self { exposition }
    }
}

#[pymethods]
impl EndpointMetrics {
    fn set_exposition(&self, text: String) {
        *self.exposition.lock() = text;
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
