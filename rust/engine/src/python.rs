//! An engine in a capsule of Python's, as `__dynamo_engine__` hands it over. By Python's own functions,
//! which the process has: so this goes with every version of PyO3, and without it.

use std::ffi::{c_char, c_void};
use std::ptr::NonNull;

use dynamo_engine_abi::{CAPSULE, Engine};

use crate::export::Exported;

unsafe extern "C" {
    fn PyCapsule_New(
        pointer: *mut c_void,
        name: *const c_char,
        destructor: Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> *mut c_void;
    fn PyCapsule_GetName(capsule: *mut c_void) -> *const c_char;
    fn PyCapsule_GetPointer(capsule: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// Puts an engine into a new `PyCapsule`, which frees it unless a worker takes it out: an owned
/// reference, or null with a Python exception that is set. With PyO3:
///
/// ```ignore
/// fn __dynamo_engine__(&self, py: Python<'_>, _version: u32) -> PyResult<Bound<'_, PyAny>> {
///     // SAFETY: this thread is attached to Python, and the reference is owned.
///     unsafe { Bound::from_owned_ptr_or_err(py, capsule(MyEngine::new()).cast()) }
/// }
/// ```
///
/// # Safety
///
/// The thread is attached to Python (it holds the GIL).
pub unsafe fn capsule(engine: impl Into<Exported>) -> *mut c_void {
    let engine = engine.into().into_raw();
    // SAFETY: the name is a constant, and the engine lives until `free`.
    let made = unsafe { PyCapsule_New(engine.as_ptr().cast(), CAPSULE.as_ptr(), Some(free)) };
    if made.is_null() {
        // SAFETY: nobody else has it.
        drop(unsafe { Exported::from_raw(engine) });
    }
    made
}

unsafe extern "C" fn free(capsule: *mut c_void) {
    // SAFETY: the capsule was made above. Its name is another one if a worker took the engine.
    let engine = unsafe { PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)) };
    if let Some(engine) = NonNull::new(engine.cast::<Engine>()) {
        // SAFETY: it comes from `into_raw`, and the capsule goes.
        drop(unsafe { Exported::from_raw(engine) });
    }
}
