//! Integers of every kind that Python has: plain ones without PyO3's general ways, those of other
//! libraries by what they offer, `__index__` and the buffer protocol.

use pyo3::buffer::{Element, PyBuffer};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PyTuple};

/// A plain `int` from 0 to `u32::MAX`; `None` where it is anything else, a bool or a subclass too.
pub(crate) fn small(item: &Bound<'_, PyAny>) -> Option<u32> {
    // SAFETY: the object lives as long as `item`.
    unsafe { read(item.as_ptr()) }
}

/// An integer of any type, as numpy's, but no bool; `None` where `T` has no such number.
pub(crate) fn of_any<'py, T>(item: &Bound<'py, PyAny>) -> Option<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    if item.is_instance_of::<PyBool>() {
        return None;
    }
    item.extract().ok()
}

/// The plain integers of a list; `None` where anything else is among them.
pub(crate) fn of_list(list: &Bound<'_, PyList>) -> Option<Vec<u32>> {
    // SAFETY: as `of_items` asks for.
    unsafe { of_items(list, list.len(), ffi::PyList_GetItem) }
}

/// Those of a tuple.
pub(crate) fn of_tuple(tuple: &Bound<'_, PyTuple>) -> Option<Vec<u32>> {
    // SAFETY: as `of_items` asks for.
    unsafe { of_items(tuple, tuple.len(), ffi::PyTuple_GetItem) }
}

/// # Safety
///
/// `items` has `length` items, of which `item` gives borrowed ones.
unsafe fn of_items(
    items: &Bound<'_, PyAny>,
    length: usize,
    item: unsafe extern "C" fn(*mut ffi::PyObject, ffi::Py_ssize_t) -> *mut ffi::PyObject,
) -> Option<Vec<u32>> {
    let mut integers = Vec::with_capacity(length);
    for index in 0..length {
        // SAFETY: the index is within the items, which live: reading plain integers runs no Python
        // code that could change them.
        let integer = unsafe { read(item(items.as_ptr(), index.cast_signed()))? };
        integers.push(integer);
    }
    Some(integers)
}

/// The items of an array of 32 or 64 bits, signed or not, row after row; `None` where it is another,
/// has more dimensions, or has an item that `T` has not.
///
/// A copy: another thread might write to them meanwhile.
pub(crate) fn of_array<T>(array: &Bound<'_, PyAny>, dimensions: usize) -> Option<Vec<T>>
where
    T: Element + TryFrom<i64> + TryFrom<u64>,
{
    copied::<T>(array, dimensions)
        .or_else(|| converted::<i64, i64, T>(array, dimensions))
        .or_else(|| converted::<i32, i64, T>(array, dimensions))
        .or_else(|| converted::<u64, u64, T>(array, dimensions))
        .or_else(|| converted::<u32, u64, T>(array, dimensions))
}

/// Items of type `S`, by way of the type `W`, which has them all.
fn converted<S, W, T>(array: &Bound<'_, PyAny>, dimensions: usize) -> Option<Vec<T>>
where
    S: Element + Into<W>,
    T: TryFrom<W>,
{
    let items = copied::<S>(array, dimensions)?;
    items
        .into_iter()
        .map(|item| item.into().try_into().ok())
        .collect()
}

fn copied<T: Element>(array: &Bound<'_, PyAny>, dimensions: usize) -> Option<Vec<T>> {
    let buffer = PyBuffer::<T>::get(array).ok()?;
    if !(1..=dimensions).contains(&buffer.dimensions()) {
        return None;
    }
    buffer.to_vec(array.py()).ok()
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
