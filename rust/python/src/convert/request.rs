//! A request as the dict that a Python engine gets.

use std::mem;

use dynamo_backend_worker::PreprocessedRequest;
use pyo3::intern;
use pyo3::prelude::*;

use super::python;
use crate::token_ids::TokenIds;

/// Every key that the request has as JSON; the prompt stays in Rust's memory.
pub(crate) fn to_dict(
    py: Python<'_>,
    mut request: PreprocessedRequest,
) -> PyResult<Bound<'_, PyAny>> {
    let tokens = mem::take(&mut request.token_ids);
    let dict = python::to_python(py, &request)?;
    dict.set_item(intern!(py, "token_ids"), TokenIds::new(tokens))?;
    Ok(dict)
}
