//! Errors across the boundary. The only place that makes one of our exceptions.

use dynamo_backend_worker::DynamoError;
use dynamo_backend_worker::error::{self, BackendError, KINDS};
use pyo3::exceptions::{
    PyBaseException, PyBufferError, PyConnectionError, PyConnectionRefusedError, PyException,
    PyIndexError, PyRuntimeError, PyTimeoutError, PyValueError, asyncio,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// The exception of an error's kind, caused by `cause` where there is one.
pub(crate) fn to_exception(py: Python<'_>, error: &DynamoError, cause: Option<PyErr>) -> PyErr {
    let exception = class_of(py, error::kind(error))
        .and_then(|class| class.call1((error.message(),)))
        .map_or_else(|failed| failed, PyErr::from_value);
    exception.set_cause(py, cause);
    exception
}

/// `InvalidArgument` with `message`.
pub(crate) fn invalid_argument(py: Python<'_>, message: impl Into<String>) -> PyErr {
    to_exception(py, &error::invalid_argument(message), None)
}

/// What the user's code `what` raised, where that is an `Exception`: of its kind, and caused by it.
pub(crate) fn raised_by(py: Python<'_>, what: &str, raised: PyErr) -> PyErr {
    if !raised.is_instance_of::<PyException>(py) {
        return raised;
    }
    let kind = own_kind(raised.value(py)).unwrap_or(BackendError::InvalidArgument);
    let message = format!("{what} raised {}", from_exception(py, &raised).message());
    to_exception(py, &error::backend(kind, message), Some(raised))
}

/// Something that this module did wrong.
pub(crate) fn internal(message: impl Into<String>) -> PyErr {
    PyRuntimeError::new_err(message.into())
}

/// There is no item of that number.
pub(crate) fn no_index(message: &'static str) -> PyErr {
    PyIndexError::new_err(message)
}

/// There is no buffer of that kind.
pub(crate) fn no_buffer(message: &'static str) -> PyErr {
    PyBufferError::new_err(message)
}

/// What waits for an event loop that has ended gets this.
pub(crate) fn loop_ended() -> DynamoError {
    error::backend(BackendError::Cancelled, "the event loop has ended")
}

/// [`from_exception`] of an exception that Python caught.
pub(crate) fn from_raised(raised: &Bound<'_, PyAny>) -> DynamoError {
    from_exception(raised.py(), &PyErr::from_value(raised.clone()))
}

/// [`from_exception`] of what an engine as a whole failed with: a frontend migrates its requests,
/// unless the engine says by one of our exceptions what they are to be.
pub(crate) fn from_failed_engine(raised: &Bound<'_, PyBaseException>) -> DynamoError {
    let error = from_raised(raised);
    match own_kind(raised) {
        Some(_) => error,
        None => error::backend(BackendError::EngineShutdown, error.message()),
    }
}

/// What an exception that an engine raised is for its client: one of ours keeps its kind, a
/// built-in one gets the nearest, any other is `Unknown`. The message names the type of all but
/// ours.
pub(crate) fn from_exception(py: Python<'_>, raised: &PyErr) -> DynamoError {
    let value = raised.value(py);
    if let Some(kind) = own_kind(value) {
        return error::backend(kind, value.to_string());
    }
    let kind = if raised.is_instance_of::<PyValueError>(py) {
        BackendError::InvalidArgument
    } else if raised.is_instance_of::<PyTimeoutError>(py) {
        BackendError::ConnectionTimeout
    } else if raised.is_instance_of::<PyConnectionRefusedError>(py) {
        BackendError::CannotConnect
    } else if raised.is_instance_of::<PyConnectionError>(py) {
        BackendError::Disconnected
    } else if raised.is_instance_of::<asyncio::CancelledError>(py) {
        BackendError::Cancelled
    } else {
        BackendError::Unknown
    };
    let name = raised
        .get_type(py)
        .name()
        .map_or_else(|_| "exception".into(), |name| name.to_string());
    let text = value.to_string();
    let message = if text.is_empty() {
        name
    } else {
        format!("{name}: {text}")
    };
    error::backend(kind, message)
}

fn own_kind(value: &Bound<'_, PyAny>) -> Option<BackendError> {
    let py = value.py();
    let base = exceptions(py)
        .and_then(|module| module.getattr(intern!(py, "DynamoError")))
        .ok()?;
    if !value.is_instance(&base).ok()? {
        return None;
    }
    let name = value.getattr(intern!(py, "kind")).ok()?.to_string();
    Some(
        KINDS
            .into_iter()
            .find(|kind| kind.to_string() == name)
            .unwrap_or(BackendError::Unknown),
    )
}

fn class_of(py: Python<'_>, kind: BackendError) -> PyResult<Bound<'_, PyType>> {
    let class = exceptions(py)?.getattr(kind.to_string())?;
    Ok(class.cast_into::<PyType>()?)
}

fn exceptions(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import(intern!(py, "dynamo_backend_common.exceptions"))
}
