//! Spans that a Python engine writes to.

use dynamo_backend_worker::trace::{self, Attribute, AttributeValue};
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString};

use crate::convert::type_name::type_name;

/// A span of a request: its own, or one that the engine began below that.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct Span(trace::Span);

impl Span {
    pub(crate) fn new(inner: trace::Span) -> Self {
        Self(inner)
    }
}

#[pymethods]
impl Span {
    #[getter]
    fn is_recording(&self) -> bool {
        self.0.is_recording()
    }

    fn set_attribute(&self, name: String, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.set_attribute(name, attribute_value(value)?);
        Ok(())
    }

    #[pyo3(signature = (name, attributes=None))]
    fn add_event(&self, name: String, attributes: Option<&Bound<'_, PyMapping>>) -> PyResult<()> {
        self.0.add_event(name, self::attributes(attributes)?);
        Ok(())
    }

    fn succeed(&self) {
        self.0.succeed();
    }

    #[pyo3(signature = (why=""))]
    fn fail(&self, why: &str) {
        self.0.fail(why);
    }

    #[pyo3(signature = (name, attributes=None))]
    fn start_span(
        &self,
        name: String,
        attributes: Option<&Bound<'_, PyMapping>>,
    ) -> PyResult<Self> {
        Ok(Self(
            self.0.begin_below(name, self::attributes(attributes)?),
        ))
    }

    fn end(&self) {
        self.0.end();
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        _kind: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) {
        if !error.is_none() {
            self.0.fail(type_name(error));
        }
        self.0.end();
    }
}

/// Names and values of `given`, as a trace has them.
pub(crate) fn attributes(given: Option<&Bound<'_, PyMapping>>) -> PyResult<Vec<Attribute>> {
    let Some(given) = given else {
        return Ok(Vec::new());
    };
    given
        .items()?
        .iter()
        .map(|item| {
            let (name, value): (String, Bound<'_, PyAny>) = item.extract()?;
            Ok(Attribute::new(name, attribute_value(&value)?))
        })
        .collect()
}

/// A boolean, an integer, a number or a text; all else is the text that Python shows of it.
fn attribute_value(value: &Bound<'_, PyAny>) -> PyResult<AttributeValue> {
    if value.is_instance_of::<PyString>() {
        return Ok(value.extract::<String>()?.into());
    }
    if let Ok(flag) = value.extract::<bool>() {
        return Ok(flag.into());
    }
    if let Ok(whole) = value.extract::<i64>() {
        return Ok(whole.into());
    }
    if let Ok(number) = value.extract::<f64>() {
        return Ok(number.into());
    }
    Ok(value.str()?.to_string().into())
}
