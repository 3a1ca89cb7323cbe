//! Objects of Python's in a forked child, which has none of its parent's threads.

use dynamo_backend_handoff::origin::Origin;
use pyo3::prelude::*;

use crate::errors;

/// The error of using `what`, which was made in `origin`, in a child of that process.
pub(crate) fn check(origin: Origin, what: &str) -> PyResult<()> {
    if origin.is_here() {
        return Ok(());
    }
    Err(errors::internal(format!(
        "{what}: this process was forked from the one whose worker it belongs to, and has none \
         of its threads; use it there, or start this process anew (multiprocessing: the method \
         'spawn')"
    )))
}
