//! A request as the dict that a Python engine gets.

use std::mem;

use dynamo_backend_worker::PreprocessedRequest;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::python;
use crate::token_ids::TokenIds;

/// Every key that the request has as JSON; the prompt stays in Rust's memory, but for an engine that
/// wants a list.
pub(crate) fn to_dict(
    py: Python<'_>,
    mut request: PreprocessedRequest,
    as_list: bool,
) -> PyResult<Bound<'_, PyAny>> {
    let tokens = mem::take(&mut request.token_ids);
    let dict = python::to_python(py, &request)?;
    let key = intern!(py, "token_ids");
    if as_list {
        dict.set_item(key, PyList::new(py, tokens.iter())?)?;
    } else {
        dict.set_item(key, TokenIds::new(tokens))?;
    }
    Ok(dict)
}
