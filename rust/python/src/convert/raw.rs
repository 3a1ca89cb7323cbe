//! A chunk of a raw engine: JSON that its client gets as it is.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyMapping};
use serde_json::Value;

use super::json;
use super::shown::described;
use crate::chunk::{Chunk, Rare};

/// Reads a chunk. The error says what was yielded and what a chunk is, without the engine's name.
pub(crate) fn from_python(value: &Bound<'_, PyAny>) -> Result<Chunk, String> {
    if !(is_dict(value) || is_list_of_dicts(value)) {
        return Err(format!(
            "yielded {}; a chunk is a dict of what JSON can hold, or a list of dicts",
            described(value)
        ));
    }
    let raw = json::from_python(value, "value")
        .map_err(|error| format!("yielded a chunk whose {error}"))?;
    Ok(of_value(raw))
}

fn is_dict(value: &Bound<'_, PyAny>) -> bool {
    value.cast::<PyMapping>().is_ok()
}

/// As reranking is answered.
fn is_list_of_dicts(value: &Bound<'_, PyAny>) -> bool {
    value
        .cast::<PyList>()
        .is_ok_and(|list| list.iter().all(|each| is_dict(&each)))
}

fn of_value(raw: Value) -> Chunk {
    Chunk {
        rare: Some(Box::new(Rare {
            raw: Some(raw),
            ..Rare::default()
        })),
        ..Chunk::default()
    }
}
