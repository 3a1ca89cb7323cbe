//! The report of a run, as the arguments of Python's `Report`.

use dynamo_backend_lifecycle::{Reason, Report};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// `by_program`: shutdown was asked for by the program, not by a signal.
pub(crate) fn to_python(py: Python<'_>, report: &Report, by_program: bool) -> PyResult<Py<PyAny>> {
    let reason = match report.reason {
        Reason::Asked if by_program => "shutdown",
        Reason::Asked => "signal",
        Reason::Ended => "ended",
        Reason::Failed => "failed",
    };
    let failures = report
        .failures
        .iter()
        .map(|(stage, message)| (stage.name(), message.as_str()));
    let stages = PyDict::new(py);
    for (stage, took) in &report.stages {
        stages.set_item(stage.name(), took.as_secs_f64())?;
    }
    let arguments = PyDict::new(py);
    arguments.set_item("reason", reason)?;
    arguments.set_item("finished", report.finished)?;
    arguments.set_item("cut", report.cut)?;
    arguments.set_item("failures", PyTuple::new(py, failures.collect::<Vec<_>>())?)?;
    arguments.set_item("stages", stages)?;
    Ok(arguments.into_any().unbind())
}
