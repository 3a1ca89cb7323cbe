//! What is one for the whole process: the tokio runtime.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use dynamo_backend_lifecycle::settings::environment;
use dynamo_backend_lifecycle::{Budget, Settings};
use dynamo_backend_worker::process::{self, Scope};
use pyo3::prelude::*;
use tokio::runtime::{Handle, Runtime};

use crate::errors;
use crate::interpreter_end;
use crate::wakeups;
use crate::worker::WorkerCore;

static RUNTIME: OnceLock<Owned> = OnceLock::new();
static BUILDING: Mutex<()> = Mutex::new(());

/// The runtime with the process that its threads live in.
struct Owned {
    runtime: Runtime,
    process: u32,
}

/// Prepares the process for these workers, which run at once: its environment and its runtime. The
/// first call does; later ones find the runtime and change nothing. `folder` is for discovery,
/// where several workers share a frontend and nothing was chosen.
#[pyfunction]
pub(crate) fn prepare(
    py: Python<'_>,
    cores: Vec<PyRef<'_, WorkerCore>>,
    folder: Option<PathBuf>,
) -> PyResult<()> {
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(owned) = RUNTIME.get() {
        if owned.process != std::process::id() {
            return Err(errors::internal(
                "this process was forked from one that has run a worker, whose threads are not \
                 here; start it anew (multiprocessing: the method 'spawn')",
            ));
        }
        if cores.iter().any(|core| core.config.runtime.has_overrides()) {
            tracing::warn!(
                "runtime settings of this worker are ignored: the process has its runtime already"
            );
        }
        process::take_over();
        return Ok(());
    }
    let scope = match &folder {
        _ if cores.iter().all(|core| core.frontend.is_none()) => Scope::Cluster,
        Some(folder) => Scope::SharedProcess(folder),
        None => Scope::Process,
    };
    for core in &cores {
        core.config.runtime.apply_to_env();
    }
    for core in &cores {
        process::prepare_environment(&core.config, scope);
    }
    // What it reads are the operator's variables.
    let runtime = process::build_tokio_runtime()
        .map_err(|error| errors::invalid_argument(py, format!("environment: {error}")))?;
    runtime.spawn(wakeups::dispatch());
    interpreter_end::wait_in_it(py)?;
    RUNTIME.get_or_init(|| Owned {
        runtime,
        process: std::process::id(),
    });
    Ok(())
}

/// The process's tokio runtime.
pub(crate) fn tokio() -> PyResult<Handle> {
    RUNTIME
        .get()
        .map(|owned| owned.runtime.handle().clone())
        .ok_or_else(|| errors::internal("the tokio runtime is not built yet"))
}

/// Seconds that a shutdown keeps for the engine's cleanup, whatever came before it.
#[pyfunction]
pub(crate) fn cleanup_seconds() -> f64 {
    let (settings, _) = Settings::from_lookup(environment);
    Budget::new(&settings).cleanup().as_secs_f64()
}

/// Gives SIGTERM and SIGINT back to the workers that run, after Python has set handlers.
#[pyfunction]
pub(crate) fn keep_handlers() {
    dynamo_backend_worker::keep_handlers();
}
