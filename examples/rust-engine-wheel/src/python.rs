//! The compiled part of the Python package.

use std::time::Duration;

use dynamo_engine::python::capsule;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::make;

#[pymodule]
mod _engine {
    use super::*;

    /// A new engine, in a capsule that frees it unless a worker takes it.
    #[pyfunction]
    fn make_engine(py: Python<'_>, beat_ms: u64) -> PyResult<Bound<'_, PyAny>> {
        let engine = make(Duration::from_millis(beat_ms))
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        // SAFETY: this thread is attached to Python, and the reference is owned.
        unsafe { Bound::from_owned_ptr_or_err(py, capsule(engine).cast()) }
    }
}
