//! Errors of the sidecars as exceptions: the only place that makes them.

use dynamo_backend_common::DynamoError;
use dynamo_sidecar_common::SidecarStartupError;
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

/// The class of the package's `exceptions` that has the error's kind.
pub(crate) fn raised(py: Python<'_>, error: &DynamoError) -> PyErr {
    // The kinds are called alike there.
    let name = format!("{:?}", dynamo_reference_engine::kind(error));
    let class = py
        .import("dynamo_backend_common.exceptions")
        .and_then(|exceptions| exceptions.getattr(name));
    match class.and_then(|class| class.call1((error.message(),))) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// What arguments that are not accepted, or `--help`, come to: the message is written, and the
/// exception ends a program with the status of a command line.
pub(crate) fn refused(py: Python<'_>, error: SidecarStartupError) -> PyErr {
    match error {
        SidecarStartupError::Dynamo(error) => raised(py, &error),
        SidecarStartupError::Cli(error) => {
            let stream = if error.use_stderr() {
                "stderr"
            } else {
                "stdout"
            };
            let text = error.render().to_string();
            let written = py
                .import("sys")
                .and_then(|sys| sys.getattr(stream))
                .and_then(|stream| stream.call_method1("write", (text,)));
            match written {
                Ok(_) => PySystemExit::new_err(error.exit_code()),
                Err(error) => error,
            }
        }
    }
}
