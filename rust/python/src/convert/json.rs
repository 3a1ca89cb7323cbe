//! JSON values and Python objects.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple};
use serde_json::{Map, Number, Value};

use super::plain::plain;
use super::type_name::type_name;
use super::{python, shown};

/// Containers may nest this deep: beyond it is a cycle, or nothing that JSON is for.
const MAX_DEPTH: usize = 128;

/// A value that becomes a Python object where the GIL is held.
pub(crate) struct Json(pub(crate) Value);

impl<'py> IntoPyObject<'py> for Json {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        python::to_python(py, &self.0)
    }
}

/// Reads `value` as JSON, numbers and arrays of other libraries too; the error names `place` inside it and what stands there.
pub(crate) fn from_python(value: &Bound<'_, PyAny>, place: &str) -> Result<Value, String> {
    read(value, MAX_DEPTH).map_err(|wrong| format!("{place}{wrong}"))
}

/// The error goes on behind the place of `value`, which only an error needs.
fn read(value: &Bound<'_, PyAny>, depth: usize) -> Result<Value, String> {
    if depth == 0 {
        return Err(format!(" nests deeper than {MAX_DEPTH} levels"));
    }
    if value.is_none() {
        Ok(Value::Null)
    } else if let Ok(flag) = value.cast::<PyBool>() {
        Ok(Value::Bool(flag.is_true()))
    } else if value.is_instance_of::<PyInt>() {
        integer(value)
    } else if let Ok(float) = value.cast::<PyFloat>() {
        number(float.value())
    } else if let Ok(text) = value.cast::<PyString>() {
        let text = text.to_str().map_err(raised)?;
        Ok(Value::String(text.to_owned()))
    } else if let Ok(mapping) = value.cast::<PyMapping>() {
        object(mapping, depth)
    } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let mut items = Vec::with_capacity(value.len().unwrap_or(0));
        for (index, item) in value.try_iter().map_err(raised)?.enumerate() {
            let item = read(&item.map_err(raised)?, depth - 1);
            items.push(item.map_err(|wrong| format!("[{index}]{wrong}"))?);
        }
        Ok(Value::Array(items))
    } else if let Some(plain) = plain(value) {
        read(&plain, depth - 1)
    } else if value
        .hasattr(intern!(value.py(), "__index__"))
        .unwrap_or(false)
    {
        integer(value)
    } else if let Ok(float) = value.extract::<f64>() {
        number(float)
    } else {
        Err(format!(
            " is of type {}, which is no JSON value",
            type_name(value)
        ))
    }
}

fn number(float: f64) -> Result<Value, String> {
    Number::from_f64(float)
        .map(Value::Number)
        .ok_or_else(|| format!(" is {float}, which JSON has no number for"))
}

fn integer(value: &Bound<'_, PyAny>) -> Result<Value, String> {
    value
        .extract::<i64>()
        .map(Value::from)
        .or_else(|_| value.extract::<u64>().map(Value::from))
        .map_err(|_| " is an integer that does not fit 64 bits".to_owned())
}

fn object(mapping: &Bound<'_, PyMapping>, depth: usize) -> Result<Value, String> {
    let mut entries = Map::new();
    for item in mapping.items().map_err(raised)? {
        let (key, value) = item
            .extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()
            .map_err(raised)?;
        let Ok(key) = key.extract::<String>() else {
            return Err(format!(
                " has a key of type {}; keys are strings",
                type_name(&key)
            ));
        };
        let value =
            read(&value, depth - 1).map_err(|wrong| format!("[{}]{wrong}", shown::text(&key)))?;
        entries.insert(key, value);
    }
    Ok(Value::Object(entries))
}

fn raised(error: PyErr) -> String {
    format!(": {error}")
}
