//! Forked children: what wakes a thread of the parent's is not theirs to use.
//!
//! A child has its parent's objects and descriptors, but none of its threads. What it writes to an
//! eventfd of the parent's, or to that of the parent's tokio, wakes the parent for nothing.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

/// Forks between the process that called [`watch`] and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process that something was made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin(u32);

impl Origin {
    /// This process.
    pub fn here() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether it is this process: a child that was forked since is another.
    pub fn is_here(self) -> bool {
        self == Self::here()
    }
}

/// Has forks counted from now on.
///
/// # Errors
///
/// The system has no memory for it.
pub fn watch() -> io::Result<()> {
    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    at_fork(in_child)
}

/// Has `in_child` called in each child, before anything else of it. It may use atomics only.
///
/// # Errors
///
/// As of [`watch`].
pub fn at_fork(in_child: unsafe extern "C" fn()) -> io::Result<()> {
    // SAFETY: the handler lives as long as the process, as a module is never unloaded, and does
    // nothing that a forked child must not.
    match unsafe { libc::pthread_atfork(None, None, Some(in_child)) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}
