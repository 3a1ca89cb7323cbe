//! What is one for the whole process: the tokio runtime and the log.

use std::sync::{Mutex, OnceLock, PoisonError};

use dynamo_backend_worker::{WorkerConfig, process};
use pyo3::prelude::*;
use tokio::runtime::{Handle, Runtime};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static BUILDING: Mutex<()> = Mutex::new(());

/// Prepares the environment and builds the runtime, once. Later runs find it and change nothing.
pub(crate) fn prepare(config: &WorkerConfig, one_process: bool) -> PyResult<()> {
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    if RUNTIME.get().is_some() {
        if config.runtime.has_overrides() {
            tracing::warn!(
                "runtime settings of this worker are ignored: the process has its runtime already"
            );
        }
        return Ok(());
    }
    process::prepare_environment(config, one_process);
    let runtime = process::build_tokio_runtime()?;
    RUNTIME.get_or_init(|| runtime);
    Ok(())
}

/// The process's tokio runtime.
pub(crate) fn tokio() -> PyResult<Handle> {
    RUNTIME
        .get()
        .map(|runtime| runtime.handle().clone())
        .ok_or_else(|| crate::errors::internal("the tokio runtime is not built yet"))
}

/// Sets up Dynamo's own logging, where the process has no subscriber yet.
#[pyfunction]
pub(crate) fn init_logging() {
    process::init_logging();
}
