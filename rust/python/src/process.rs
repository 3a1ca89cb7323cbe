//! What is one for the whole process: the environment, the signals, and the making of its runtime.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use dynamo_backend_lifecycle::Budget;
use dynamo_backend_worker::config::agree;
use dynamo_backend_worker::error::unknown;
use dynamo_backend_worker::process::{self, Scope};
use dynamo_backend_worker::{EarlySignals, adopt_orphans, trace};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::buffer::WAKEUPS;
use crate::convert::config;
use crate::errors;
use crate::interpreter_end;
use crate::runtime;
use crate::worker::WorkerCore;

static BUILDING: Mutex<()> = Mutex::new(());

/// Prepares the process for these workers, which run at once: what is one for all of them, its
/// environment and its runtime. The first call does; later ones find the runtime. `folder` is for discovery,
/// where several workers share a frontend and nothing was chosen.
#[pyfunction]
pub(crate) fn prepare(
    py: Python<'_>,
    cores: Vec<PyRef<'_, WorkerCore>>,
    folder: Option<PathBuf>,
) -> PyResult<()> {
    // Without the GIL: whoever has the lock may want that.
    let _one_at_a_time = BUILDING
        .lock_py_attached(py)
        .unwrap_or_else(PoisonError::into_inner);
    let mut configs: Vec<_> = cores.iter().map(|core| core.config.lock()).collect();
    let mut runtimes: Vec<_> = configs
        .iter_mut()
        .map(|config| &mut config.runtime)
        .collect();
    agree(&mut runtimes).map_err(|error| errors::to_exception(py, &error, None))?;
    if runtime::is_there()? {
        if runtimes.iter().any(|runtime| runtime.has_overrides()) {
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
    for config in &configs {
        process::prepare_environment(config, scope);
    }
    // What it reads are the operator's variables.
    let built = process::build_tokio_runtime()
        .map_err(|error| errors::invalid_argument(py, format!("environment: {error}")))?;
    built.spawn(WAKEUPS.dispatch());
    // Again: before the hooks that the log and the engine have registered since the import.
    interpreter_end::wait_in_it(py)?;
    runtime::keep(built);
    Ok(())
}

/// Looks, before anything is imported, at the variables that no field of the configuration has.
#[pyfunction]
pub(crate) fn check_environment(py: Python<'_>) -> PyResult<()> {
    trace::check_endpoints().map_err(|error| errors::to_exception(py, &error, None))
}

/// Addresses, separated by commas, as they may be shown.
#[pyfunction]
pub(crate) fn without_credentials(addresses: &str) -> String {
    process::without_credentials(addresses)
}

/// The address that the runtime gives others for requests; for a process that serves nothing.
#[pyfunction]
pub(crate) fn address_for_others(py: Python<'_>) -> PyResult<String> {
    process::address_for_others().map_err(|error| errors::to_exception(py, &error, None))
}

/// Seconds that a shutdown keeps for the engine's cleanup, whatever came before it.
#[pyfunction]
pub(crate) fn cleanup_seconds(py: Python<'_>, runtime: &Bound<'_, PyAny>) -> PyResult<f64> {
    let (settings, _) = config::runtime_config(runtime)
        .map_err(|error| errors::to_exception(py, &error, None))?
        .settings();
    Ok(Budget::new(&settings).cleanup().as_secs_f64())
}

/// Gives SIGTERM and SIGINT back to the workers that run, after Python has set handlers.
#[pyfunction]
pub(crate) fn keep_handlers() {
    dynamo_backend_worker::keep_handlers();
}

/// A process that is the worker's alone, from before the engine is imported. A context manager: it
/// takes SIGTERM and SIGINT, which end the process until a run takes them over, and has orphans of
/// what the engine starts become the process's own children, so that a forced end finds them.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
#[derive(Default)]
pub(crate) struct OwnProcess {
    signals: Mutex<Option<EarlySignals>>,
}

#[pymethods]
impl OwnProcess {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        let signals = EarlySignals::take()
            .map_err(|error| unknown(format!("signals: {error}")))
            .map_err(|error| errors::to_exception(py, &error, None))?;
        adopt_orphans();
        *self.lock() = Some(signals);
        Ok(())
    }

    fn __exit__(&self, _kind: Py<PyAny>, _error: Py<PyAny>, _traceback: Py<PyAny>) {
        self.lock().take();
    }
}

impl OwnProcess {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<EarlySignals>> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
