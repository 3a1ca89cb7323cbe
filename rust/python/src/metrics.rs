//! Metrics of a Python engine's own, in the worker's `/metrics`.

use std::sync::Arc;

use dynamo_backend_worker::DynamoError;
use dynamo_backend_worker::error::invalid_argument;
use dynamo_backend_worker::metrics::{MetricsBindings, MetricsContext};
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;

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
pub(crate) fn bindings(answer: &Bound<'_, PyAny>) -> Result<MetricsBindings, DynamoError> {
    if answer.is_none() {
        return Ok(MetricsBindings::default());
    }
    read_bindings(answer).map_err(|_| {
        invalid_argument(format!(
            "setup_metrics: returned {}; it must return MetricsBindings or None",
            type_name(answer)
        ))
    })
}

fn read_bindings(answer: &Bound<'_, PyAny>) -> PyResult<MetricsBindings> {
    let py = answer.py();
    let dp_ranks = answer.getattr(intern!(py, "dp_ranks"))?.extract()?;
    let on_ready = answer.getattr(intern!(py, "on_publisher_ready"))?;
    if on_ready.is_none() {
        return Ok(MetricsBindings {
            dp_ranks,
            on_publisher_ready: None,
        });
    }
    let on_ready = on_ready.unbind();
    Ok(MetricsBindings {
        dp_ranks,
        on_publisher_ready: Some(Arc::new(move |inner| {
            hand_over(&on_ready, SnapshotPublisher { inner });
        })),
    })
}
