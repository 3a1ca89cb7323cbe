//! Keys of dicts.

use std::collections::HashMap;

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// By where a name is in the program, and its length.
type Strings = HashMap<(usize, usize), Py<PyString>>;

/// Each name of a field becomes one string, once.
static INTERNED: Mutex<Option<Strings>> = Mutex::new(None);

/// The string of a name that stands in the program, interned.
pub(super) fn of_program<'py>(py: Python<'py>, name: &'static str) -> Bound<'py, PyString> {
    let place = (name.as_ptr() as usize, name.len());
    let mut interned = INTERNED.lock();
    interned
        .get_or_insert_default()
        .entry(place)
        .or_insert_with(|| PyString::intern(py, name).unbind())
        .bind(py)
        .clone()
}

/// The key of a map that serialized to `key`; JSON's keys are strings.
pub(super) fn of_map(key: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    if key.is_instance_of::<PyString>() {
        return Ok(key);
    }
    Ok(key.str()?.into_any())
}
