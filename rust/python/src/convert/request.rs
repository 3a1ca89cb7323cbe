//! A request as the dict that a Python engine gets.

use std::sync::Arc;

use dynamo_backend_worker::{DynamoError, PreprocessedRequest, error};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde_json::{Map, Value};

use super::json;

/// A request on its way to Python: everything that can be done without the GIL is done.
pub(crate) struct PreparedRequest {
    token_ids: Arc<Vec<u32>>,
    rest: Map<String, Value>,
}

impl PreparedRequest {
    pub(crate) fn new(mut request: PreprocessedRequest) -> Result<Self, DynamoError> {
        // The prompt is the bulk: it goes straight from integers to a list.
        let token_ids = std::mem::take(&mut request.token_ids);
        match serde_json::to_value(&request) {
            Ok(Value::Object(rest)) => Ok(Self { token_ids, rest }),
            Ok(_) => Err(error::unknown("a request is no JSON object")),
            Err(failed) => Err(error::unknown(format!("a request as JSON: {failed}"))),
        }
    }

    pub(crate) fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = json::object_to_python(py, &self.rest)?;
        let token_ids = PyList::new(py, self.token_ids.iter())?;
        dict.set_item(intern!(py, "token_ids"), token_ids)?;
        Ok(dict)
    }
}
