//! A sidecar that has found its server: an engine for a worker, and how it wants to be served.

use std::sync::Arc;

use dynamo_backend_common::{LLMEngine, WorkerConfig};
use dynamo_engine::Export;
use dynamo_engine::python::capsule;
use dynamo_reference_engine::ReferenceEngine;
use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::kind::Kind;
use crate::runtime::OwnRuntime;
use crate::worker_config;

/// What the search came to.
#[pyclass(frozen, module = "dynamo_sidecars._sidecars")]
pub(crate) struct Discovered {
    kind: Kind,
    engine: Arc<dyn LLMEngine>,
    runtime: Mutex<OwnRuntime>,
    worker_config: String,
}

impl Discovered {
    pub(crate) fn new(
        kind: Kind,
        engine: Arc<dyn LLMEngine>,
        runtime: OwnRuntime,
        config: &WorkerConfig,
    ) -> Self {
        Self {
            kind,
            engine,
            runtime: Mutex::new(runtime),
            worker_config: worker_config::as_json(config).to_string(),
        }
    }
}

#[pymethods]
impl Discovered {
    /// How it wants to be served: a JSON object.
    #[getter]
    fn worker_config(&self) -> &str {
        &self.worker_config
    }

    /// The engine, in a capsule; only once, as it is one engine.
    fn __dynamo_engine__<'py>(
        &self,
        py: Python<'py>,
        _version: u32,
    ) -> PyResult<Bound<'py, PyAny>> {
        let runtime = self.runtime.lock().hand_over().ok_or_else(|| {
            PyRuntimeError::new_err("a worker has this sidecar already; make another one")
        })?;
        let handle = runtime.handle().clone();
        let engine = ReferenceEngine::new(self.kind.engine_name(), self.engine.clone(), handle);
        // SAFETY: this thread is attached to Python, and the reference is owned.
        unsafe { Bound::from_owned_ptr_or_err(py, capsule(Export::new(engine).on(runtime)).cast()) }
    }
}
