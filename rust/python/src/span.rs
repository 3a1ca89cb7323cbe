//! Spans that a Python engine writes to.

use dynamo_backend_worker::trace::{Array, EngineSpan, KeyValue, Status, Value};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyList, PyString, PyTuple, PyType};

use crate::convert::integers;
use crate::convert::shown;
use crate::errors;

const ACCEPTED: &str = "a str, a bool, an int of 64 bits, a float, or a list of one of them";

/// A span of a request: its own, or one below that.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct Span(EngineSpan);

impl Span {
    pub(crate) fn new(inner: EngineSpan) -> Self {
        Self(inner)
    }

    /// Begins one below `above`.
    pub(crate) fn begin(
        above: &EngineSpan,
        name: String,
        attributes: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        // What is wrong with them is told before there is a span.
        let attributes = read(attributes)?;
        let span = above.start_span(name);
        for KeyValue { key, value, .. } in attributes {
            span.set_attribute(key, value);
        }
        Ok(Self(span))
    }
}

#[pymethods]
impl Span {
    fn is_recording(&self) -> bool {
        self.0.is_recording()
    }

    fn set_attribute(&self, name: String, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value = value_of(&name, value)?;
        self.0.set_attribute(name, value);
        Ok(())
    }

    #[pyo3(signature = (name, attributes = None))]
    fn add_event(&self, name: String, attributes: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.0.add_event(name, read(attributes)?);
        Ok(())
    }

    #[pyo3(signature = (status, description = None))]
    fn set_status(
        &self,
        py: Python<'_>,
        status: &str,
        description: Option<String>,
    ) -> PyResult<()> {
        let status = match status {
            "ok" => Status::Ok,
            "error" => Status::error(description.unwrap_or_default()),
            other => {
                let message = format!("status is '{other}'; accepted: 'ok', 'error'");
                return Err(errors::invalid_argument(py, message));
            }
        };
        self.0.set_status(status);
        Ok(())
    }

    #[pyo3(signature = (name, attributes = None))]
    fn start_span(&self, name: String, attributes: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        Self::begin(&self.0, name, attributes)
    }

    fn end(&self) {
        self.0.end();
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(
        &self,
        raised: Option<&Bound<'_, PyType>>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if let Some(raised) = raised {
            let name = raised.name()?.to_string();
            self.0.set_attribute("error.type", name);
            // The message may quote what the client sent.
            self.0.set_status(Status::error(""));
        }
        self.0.end();
        Ok(())
    }
}

fn read(attributes: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<KeyValue>> {
    let Some(attributes) = attributes else {
        return Ok(Vec::new());
    };
    let wrong = |what: &Bound<'_, PyAny>| {
        let message = format!(
            "attributes: {}; accepted: a dict of str to attributes",
            shown::described(what)
        );
        errors::invalid_argument(what.py(), message)
    };
    let attributes = attributes.cast::<PyDict>().map_err(|_| wrong(attributes))?;
    attributes
        .iter()
        .map(|(name, value)| {
            let name: String = name.extract().map_err(|_| wrong(&name))?;
            let value = value_of(&name, &value)?;
            Ok(KeyValue::new(name, value))
        })
        .collect()
}

fn value_of(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let read = match one(value) {
        Some(value) => Some(value),
        None => list(value),
    };
    read.ok_or_else(|| {
        let message = format!(
            "attribute '{name}' is {}; accepted: {ACCEPTED}",
            shown::described(value)
        );
        errors::invalid_argument(value.py(), message)
    })
}

fn one(value: &Bound<'_, PyAny>) -> Option<Value> {
    if let Ok(flag) = value.cast::<PyBool>() {
        Some(Value::Bool(flag.is_true()))
    } else if let Ok(float) = value.cast::<PyFloat>() {
        Some(Value::F64(float.value()))
    } else if let Ok(text) = value.cast::<PyString>() {
        Some(Value::String(text.to_string_lossy().into_owned().into()))
    } else {
        integers::of_any(value).map(Value::I64)
    }
}

/// Of one type, as attributes are.
fn list(value: &Bound<'_, PyAny>) -> Option<Value> {
    if !value.is_instance_of::<PyList>() && !value.is_instance_of::<PyTuple>() {
        return None;
    }
    let items: Vec<Bound<'_, PyAny>> = value.try_iter().ok()?.collect::<PyResult<_>>().ok()?;
    let values: Vec<Value> = items.iter().map(one).collect::<Option<_>>()?;
    let array = match values.first() {
        None => Array::String(Vec::new()),
        Some(Value::Bool(_)) => Array::Bool(all(values, |value| match value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        })?),
        Some(Value::I64(_)) => Array::I64(all(values, |value| match value {
            Value::I64(number) => Some(number),
            _ => None,
        })?),
        Some(Value::F64(_)) => Array::F64(all(values, |value| match value {
            Value::F64(number) => Some(number),
            _ => None,
        })?),
        Some(_) => Array::String(all(values, |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })?),
    };
    Some(Value::Array(array))
}

fn all<T>(values: Vec<Value>, read: impl Fn(Value) -> Option<T>) -> Option<Vec<T>> {
    values.into_iter().map(read).collect()
}
