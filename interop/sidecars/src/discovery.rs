//! The search for a sidecar's server, of which Python sees the progress.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use dynamo_backend_common::DynamoError;
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::discovered::Discovered;
use crate::errors;
use crate::kind::{Found, Kind};
use crate::runtime::OwnRuntime;

/// A search that is under way; it ends with this object.
#[pyclass(frozen, module = "dynamo_sidecars._sidecars")]
pub(crate) struct Discovery {
    kind: Kind,
    search: Mutex<Option<Search>>,
}

struct Search {
    found: Receiver<Result<Found, DynamoError>>,
    runtime: OwnRuntime,
}

/// Reads the arguments of the sidecar `name`, and begins to look for its server. `program` is what
/// its messages call the command.
#[pyfunction]
pub(crate) fn discover(
    py: Python<'_>,
    name: &str,
    program: String,
    argv: Vec<String>,
) -> PyResult<Discovery> {
    let kind = Kind::named(name)
        .ok_or_else(|| PyValueError::new_err(format!("there is no sidecar {name:?}")))?;
    dynamo_reference_engine::log::install();
    let arguments = std::iter::once(program).chain(argv).collect();
    let looking = kind
        .look(arguments)
        .map_err(|error| errors::refused(py, error))?;
    let (answer, found) = channel();
    let runtime = OwnRuntime::begin()?;
    runtime.spawn(async move {
        // Nobody is there to hear it where Python has stopped to wait.
        let _ = answer.send(looking.await);
    });
    Ok(Discovery {
        kind,
        search: Mutex::new(Some(Search { found, runtime })),
    })
}

#[pymethods]
impl Discovery {
    /// What was found within so many seconds, or None.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<Option<Discovered>> {
        let patience = Duration::try_from_secs_f64(seconds)
            .map_err(|error| PyValueError::new_err(format!("seconds: {error}")))?;
        let search = self.search.lock().take().ok_or_else(|| {
            PyRuntimeError::new_err("the search has ended, or another thread waits for it")
        })?;
        let (search, found) = py.detach(move || {
            let found = search.found.recv_timeout(patience);
            (search, found)
        });
        match found {
            Ok(Ok((engine, config))) => {
                let runtime = search.runtime;
                Ok(Some(Discovered::new(self.kind, engine, runtime, &config)))
            }
            Ok(Err(error)) => Err(errors::raised(py, &error)),
            Err(RecvTimeoutError::Timeout) => {
                *self.search.lock() = Some(search);
                Ok(None)
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(PyRuntimeError::new_err("the search ended without a result"))
            }
        }
    }

    /// The lines of the log since the last call: the level's name and the text of each.
    #[staticmethod]
    fn lines() -> Vec<(&'static str, String)> {
        let lines = dynamo_reference_engine::log::take_waiting();
        lines
            .into_iter()
            .map(|line| (line.level.as_str(), line.text))
            .collect()
    }
}
