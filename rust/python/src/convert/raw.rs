//! A chunk of a raw engine: JSON that its client gets as it is.

use pyo3::prelude::*;
use pyo3::types::PyMapping;
use serde_json::Value;

use super::json;
use super::shown::described;
use crate::chunk::{Chunk, Rare};

/// Reads a chunk. The error says what was yielded and what a chunk is, without the engine's name.
pub(crate) fn from_python(value: &Bound<'_, PyAny>) -> Result<Chunk, String> {
    if value.cast::<PyMapping>().is_err() {
        return Err(format!(
            "yielded {}; a chunk is a dict of what JSON can hold",
            described(value)
        ));
    }
    let raw = json::from_python(value, "value")
        .map_err(|error| format!("yielded a chunk whose {error}"))?;
    Ok(of_value(raw))
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
