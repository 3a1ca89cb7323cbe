//! Forked children: what wakes a thread of the parent's is not theirs to use.
//!
//! A child has its parent's objects and descriptors, but none of its threads. What it writes to an
//! eventfd of the parent's, or to that of the parent's tokio, wakes the parent for nothing.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;

use crate::errors;

/// Forks between the process that imported the module and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process that something was made in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin(u32);

impl Origin {
    /// This process.
    pub(crate) fn here() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether it is this process: a child that was forked since is another.
    pub(crate) fn is_here(self) -> bool {
        self == Self::here()
    }

    /// The error of using `what` in a child.
    pub(crate) fn check(self, what: &str) -> PyResult<()> {
        if self.is_here() {
            return Ok(());
        }
        Err(errors::internal(format!(
            "{what}: this process was forked from the one whose worker it belongs to, and has none \
             of its threads; use it there, or start this process anew (multiprocessing: the method \
             'spawn')"
        )))
    }
}

/// Has forks counted from now on.
pub(crate) fn watch() -> io::Result<()> {
    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    at_fork(in_child)
}

/// Has `in_child` called in each child, before anything else of it. It may use atomics only.
pub(crate) fn at_fork(in_child: unsafe extern "C" fn()) -> io::Result<()> {
    // SAFETY: the handler lives as long as the process, as a module is never unloaded, and does
    // nothing that a forked child must not.
    match unsafe { libc::pthread_atfork(None, None, Some(in_child)) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}
