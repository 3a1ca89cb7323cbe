//! The tokio runtime, which is one for the whole process.

use std::sync::OnceLock;

use dynamo_backend_handoff::origin::Origin;
use pyo3::prelude::*;
use tokio::runtime::{Handle, Runtime};

use crate::errors;
use crate::fork;

static RUNTIME: OnceLock<Owned> = OnceLock::new();

/// The runtime with the process that its threads live in.
struct Owned {
    runtime: Runtime,
    origin: Origin,
}

/// Keeps `runtime` for the life of the process.
pub(crate) fn keep(runtime: Runtime) {
    RUNTIME.get_or_init(|| Owned {
        runtime,
        origin: Origin::here(),
    });
}

/// Whether the process has its runtime, and is not a fork of the one that has.
pub(crate) fn is_there() -> PyResult<bool> {
    let Some(owned) = RUNTIME.get() else {
        return Ok(false);
    };
    fork::check(owned.origin, "run")?;
    Ok(true)
}

/// The process's tokio runtime.
pub(crate) fn tokio() -> PyResult<Handle> {
    let owned = RUNTIME
        .get()
        .ok_or_else(|| errors::internal("the tokio runtime is not built yet"))?;
    fork::check(owned.origin, "tokio")?;
    Ok(owned.runtime.handle().clone())
}
