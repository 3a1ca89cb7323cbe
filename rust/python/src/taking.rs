//! An engine that was compiled elsewhere: an object of Python's hands it over in a capsule, once.
//!
//! The capsule owns the engine until it is renamed, and its destructor frees one that nobody took.

use std::ffi::CStr;
use std::ptr::NonNull;
use std::sync::Arc;

use dynamo_backend_worker::engines::ForeignEngine;
use dynamo_engine_abi::{CAPSULE, CAPSULE_USED, VERSION_MAJOR};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3::{ffi, intern};

use crate::convert::type_name::type_name;
use crate::errors;
use crate::rust_engine::RustEngine;

/// Takes the engine that `object.__dynamo_engine__` hands over, and holds the object for as long as
/// anything of the engine lives.
#[pyfunction]
pub(crate) fn take_engine(object: &Bound<'_, PyAny>) -> PyResult<RustEngine> {
    let py = object.py();
    let name = type_name(object);
    let wrong = |what: String| {
        errors::invalid_argument(py, format!("engine: {name}.__dynamo_engine__ {what}"))
    };
    let answer = object
        .call_method1(intern!(py, "__dynamo_engine__"), (VERSION_MAJOR,))
        .map_err(|raised| match raised.is_instance_of::<PyException>(py) {
            true => errors::raised_by(py, &format!("engine: {name}.__dynamo_engine__"), raised),
            false => raised,
        })?;
    let Ok(capsule) = answer.cast::<PyCapsule>() else {
        return Err(wrong(format!(
            "returned {}; it must return a PyCapsule named {CAPSULE:?}",
            type_name(&answer)
        )));
    };
    let given = capsule.name()?;
    // SAFETY: the capsule lives, and nobody renames it while the GIL is held.
    let named = given.map(|given| unsafe { given.as_cstr() });
    match named {
        Some(named) if named == CAPSULE => {}
        Some(named) if named == CAPSULE_USED => {
            return Err(wrong(
                "returned a capsule whose engine was taken before; it must make a new one with \
                 each call"
                    .to_owned(),
            ));
        }
        Some(other) => {
            return Err(wrong(format!(
                "returned a capsule named {other:?}; it must be named {CAPSULE:?}"
            )));
        }
        None => {
            return Err(wrong(format!(
                "returned a capsule without a name; it must be named {CAPSULE:?}"
            )));
        }
    }
    let table = capsule.pointer_checked(Some(CAPSULE))?;
    let taken = unsafe { ForeignEngine::take(table.cast(), Box::new(object.clone().unbind())) };
    let engine = taken.map_err(|error| wrong(format!("returned an engine that …: {}", error.message())))?;
    rename(capsule, CAPSULE_USED)?;
    Ok(RustEngine::new(Arc::new(engine)))
}
