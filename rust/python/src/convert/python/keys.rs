//! Keys of dicts.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

/// More than there are names of fields. What finds no place is interned each time.
const PLACES: usize = 1024;

/// Each name of a field, and its string: in the first place from its address on that was free.
static INTERNED: [PyOnceLock<(&str, Py<PyString>)>; PLACES] = [const { PyOnceLock::new() }; PLACES];

/// The string of a name that stands in the program, interned.
pub(super) fn of_program<'py>(py: Python<'py>, name: &'static str) -> Bound<'py, PyString> {
    let (behind, from) = INTERNED.split_at(name.as_ptr() as usize % PLACES);
    for place in from.iter().chain(behind) {
        let (known, string) = place.get_or_init(py, || (name, PyString::intern(py, name).unbind()));
        if std::ptr::eq(*known, name) {
            return string.bind(py).clone();
        }
    }
    PyString::intern(py, name)
}

/// The key of a map that serialized to `key`; JSON's keys are strings.
pub(super) fn of_map(key: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    if key.is_instance_of::<PyString>() {
        return Ok(key);
    }
    Ok(key.str()?.into_any())
}
