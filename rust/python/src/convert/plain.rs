//! Arrays and scalars of other libraries as Python's own objects.

use pyo3::intern;
use pyo3::prelude::*;

/// What `value` is in Python's own types, where it can say that by `tolist`: the arrays of numpy,
/// torch and `array`, and numpy's scalars.
pub(crate) fn plain<'py>(value: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let own = value.call_method0(intern!(value.py(), "tolist")).ok()?;
    // What Python has no type for stays what it is, as numpy's `longdouble`.
    (!own.get_type().is(value.get_type())).then_some(own)
}
