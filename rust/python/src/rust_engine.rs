//! A Rust engine in a Python handle: it goes into `Worker` like any engine, and is then driven
//! without Python.

use std::sync::Arc;
use std::time::Duration;

use dynamo_backend_handoff::origin::Origin;
use dynamo_backend_worker::LLMEngine;
use dynamo_backend_worker::engines::Echo;
use pyo3::prelude::*;

use crate::{errors, fork};

/// A handle on an engine written in Rust.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct RustEngine {
    engine: Arc<dyn LLMEngine>,
    /// Where it was taken, if it was compiled elsewhere.
    taken: Option<Origin>,
}

impl RustEngine {
    /// The handle of an engine that was compiled elsewhere.
    pub(crate) fn taken(engine: impl LLMEngine) -> Self {
        Self {
            engine: Arc::new(engine),
            taken: Some(Origin::here()),
        }
    }

    /// The engine, to be driven. One from elsewhere has threads of its own, which no child has.
    pub(crate) fn driven(&self) -> PyResult<Arc<dyn LLMEngine>> {
        if let Some(origin) = self.taken {
            fork::check(origin, &self.engine.name())?;
        }
        Ok(self.engine.clone())
    }
}

impl Drop for RustEngine {
    fn drop(&mut self) {
        // It would wait in the child for threads that only the parent has.
        if self.taken.is_some_and(|origin| !origin.is_here()) {
            std::mem::forget(self.engine.clone());
        }
    }
}

#[pymethods]
impl RustEngine {
    #[getter]
    fn name(&self) -> String {
        self.engine.name()
    }

    fn __repr__(&self) -> String {
        format!("RustEngine(name={:?})", self.engine.name())
    }
}

/// The engine that answers with the prompt: `delay` seconds before each token.
#[pyfunction]
#[pyo3(signature = (*, model = "echo", delay = 0.0))]
pub(crate) fn echo_engine(py: Python<'_>, model: &str, delay: f64) -> PyResult<RustEngine> {
    let delay = seconds(py, "delay", delay)?;
    Ok(RustEngine {
        engine: Arc::new(Echo::new(model, delay)),
        taken: None,
    })
}

/// The argument `name`, a length of time.
pub(crate) fn seconds(py: Python<'_>, name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| {
        errors::invalid_argument(
            py,
            format!("{name}: {value} is no length of time; accepted: seconds, 0 or more"),
        )
    })
}
