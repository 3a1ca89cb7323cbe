//! A Rust engine in a Python handle: it goes into `Worker` like any engine, and is then driven
//! without Python.

use std::sync::Arc;
use std::time::Duration;

use dynamo_backend_worker::LLMEngine;
use dynamo_backend_worker::engines::Echo;
use pyo3::prelude::*;

use crate::errors;

/// A handle on an engine written in Rust.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct RustEngine {
    pub(crate) engine: Arc<dyn LLMEngine>,
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
    let delay = Duration::try_from_secs_f64(delay).map_err(|_| {
        errors::invalid_argument(
            py,
            format!("delay: {delay} is no length of time; accepted: seconds, 0 or more"),
        )
    })?;
    Ok(RustEngine {
        engine: Arc::new(Echo::new(model, delay)),
    })
}
