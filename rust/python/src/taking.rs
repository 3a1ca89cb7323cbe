//! An engine that was compiled elsewhere: an object of Python's hands it over in a capsule, once.

use std::ffi::CStr;

use dynamo_backend_worker::engines::ForeignEngine;
use dynamo_engine_abi::{CAPSULE, USED_CAPSULE, VERSION};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyCapsuleMethods};
use pyo3::{ffi, intern};

use crate::convert::type_name::type_name;
use crate::errors;
use crate::rust_engine::RustEngine;

/// Takes the engine that `object.__dynamo_engine__` hands over, and holds the object for as long as
/// anything of the engine lives.
#[pyfunction]
pub(crate) fn take_engine(object: &Bound<'_, PyAny>) -> PyResult<RustEngine> {
    let py = object.py();
    let handed = object
        .call_method1(intern!(py, "__dynamo_engine__"), (VERSION,))
        .map_err(|raised| errors::raised_by(py, &what(object), raised))?;
    take(object, &handed)
        .map_err(|wrong| errors::invalid_argument(py, format!("{} returned {wrong}", what(object))))
}

fn take(object: &Bound<'_, PyAny>, handed: &Bound<'_, PyAny>) -> Result<RustEngine, String> {
    let Ok(capsule) = handed.cast::<PyCapsule>() else {
        let kind = type_name(handed);
        return Err(format!(
            "{kind}; it must return a PyCapsule named {CAPSULE:?}"
        ));
    };
    let name = name_of(capsule)?;
    if name == USED_CAPSULE {
        return Err(
            "a capsule whose engine was taken before; it must make a new engine with each call"
                .to_owned(),
        );
    }
    let Ok(engine) = capsule.pointer_checked(Some(CAPSULE)) else {
        return Err(format!(
            "a capsule named {name:?}; it must be named {CAPSULE:?}"
        ));
    };
    let keep = Box::new(object.clone().unbind());
    // SAFETY: by its name the capsule has an engine; nobody else takes it while the GIL is held.
    let engine = unsafe { ForeignEngine::take(engine.cast(), keep) }
        .map_err(|error| format!("an engine that cannot be taken: {}", error.message()))?;
    // SAFETY: it is a capsule, and the name lives as long as this module, which is never unloaded.
    unsafe { ffi::PyCapsule_SetName(capsule.as_ptr(), USED_CAPSULE.as_ptr()) };
    Ok(RustEngine::taken(engine))
}

fn name_of<'a>(capsule: &'a Bound<'_, PyCapsule>) -> Result<&'a CStr, String> {
    match capsule.name() {
        // SAFETY: nobody renames the capsule while the GIL is held.
        Ok(Some(name)) => Ok(unsafe { name.as_cstr() }),
        _ => Err(format!(
            "a capsule without a name; it must be named {CAPSULE:?}"
        )),
    }
}

fn what(object: &Bound<'_, PyAny>) -> String {
    format!("engine: {}.__dynamo_engine__", type_name(object))
}
