//! The end of the interpreter, while an event loop still runs in another thread.
//!
//! The interpreter ends a thread that wants the GIL from then on by unwinding it (before Python 3.14).
//! A frame of ours below the Python that it was running cannot be unwound so: the process would abort.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How long the end waits for what runs.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(1);

// Both change under the GIL alone, so that nobody begins between the hook's look and its wait.
static BEGUN: AtomicBool = AtomicBool::new(false);
static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// A process that was forked from it has none of its threads.
static PROCESS: OnceLock<u32> = OnceLock::new();

/// While it lives, Python runs above a frame of ours.
pub(crate) struct Running;

impl Running {
    /// `None` where the interpreter ends: nothing is to begin any more.
    pub(crate) fn begin(_py: Python<'_>) -> Option<Self> {
        if BEGUN.load(Ordering::Acquire) {
            return None;
        }
        RUNNING.fetch_add(1, Ordering::AcqRel);
        Some(Self)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Has the interpreter's end wait for what runs.
pub(crate) fn wait_in_it(py: Python<'_>) -> PyResult<()> {
    PROCESS.get_or_init(std::process::id);
    let hook = wrap_pyfunction!(begins, py)?;
    py.import("atexit")?.call_method1("register", (hook,))?;
    Ok(())
}

#[pyfunction]
fn begins(py: Python<'_>) {
    if PROCESS.get() != Some(&std::process::id()) {
        return;
    }
    BEGUN.store(true, Ordering::Release);
    let deadline = Instant::now() + PATIENCE;
    py.detach(|| {
        while RUNNING.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
            thread::sleep(PAUSE);
        }
    });
}
