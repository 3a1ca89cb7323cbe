//! The runtime of tokio that a sidecar brings along: its connections live on it.

use pyo3::PyResult;
use pyo3::exceptions::PyRuntimeError;
use tokio::runtime::{Builder, Runtime};

/// As many threads as a sidecar opens connections, where there are so many processors.
const MOST_THREADS: usize = 8;

/// A runtime that ends without waiting: what may hang in it is the look-up of a host's name.
pub(crate) struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    pub(crate) fn begin() -> PyResult<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.min(MOST_THREADS))
            .thread_name("dynamo-sidecar")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| {
            PyRuntimeError::new_err(format!("no threads for the sidecar: {error}"))
        })?;
        Ok(Self(Some(runtime)))
    }

    /// Runs a task of its own.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(task);
        }
    }

    /// For the engine, which ends it from here on. `None` only where it was handed over before.
    pub(crate) fn hand_over(&mut self) -> Option<Runtime> {
        self.0.take()
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
