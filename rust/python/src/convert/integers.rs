//! Plain integers of 32 bits, read and made without PyO3's general ways.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// A plain `int` from 0 to `u32::MAX`; `None` where it is anything else, a bool or a subclass too.
pub(crate) fn small(item: &Bound<'_, PyAny>) -> Option<u32> {
    // SAFETY: the object lives as long as `item`.
    unsafe { read(item.as_ptr()) }
}

/// The plain integers of a list; `None` where anything else is among them.
pub(crate) fn of_list(list: &Bound<'_, PyList>) -> Option<Vec<u32>> {
    let length = list.len();
    let mut integers = Vec::with_capacity(length);
    for index in 0..length {
        // SAFETY: the index is within the list, and its borrowed items live: reading plain integers
        // runs no Python code that could change it.
        let integer = unsafe {
            let item = ffi::PyList_GetItem(list.as_ptr(), index.cast_signed());
            read(item)?
        };
        integers.push(integer);
    }
    Some(integers)
}

/// # Safety
///
/// `item` is an object that lives, and the GIL is held.
unsafe fn read(item: *mut ffi::PyObject) -> Option<u32> {
    // SAFETY: as of the caller.
    unsafe {
        if ffi::PyLong_CheckExact(item) == 0 {
            return None;
        }
        let value = ffi::PyLong_AsLongLong(item);
        if value == -1 {
            // Either that, or a number beyond 64 bits.
            ffi::PyErr_Clear();
        }
        u32::try_from(value).ok()
    }
}
