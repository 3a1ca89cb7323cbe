//! The end of the interpreter, while other threads still run Python.
//!
//! The interpreter ends a thread that wants the GIL from then on by unwinding it (before Python 3.14).
//! A frame of ours below the Python that it was running cannot be unwound so: the process would abort.
//! One that let go of the GIL itself and wants it back is safe: PyO3 has it wait for ever.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dynamo_backend_handoff::origin::{self, Origin};
use pyo3::prelude::*;

/// How long the end waits for what runs.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(1);

// Both change under the GIL alone, so that nobody begins between the hook's look and its wait.
static BEGUN: AtomicBool = AtomicBool::new(false);
static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// The thread that ends the interpreter, and is not ended by it.
static ENDING: AtomicUsize = AtomicUsize::new(0);

/// While it lives, Python runs above a frame of ours.
pub(crate) struct Running {
    origin: Origin,
}

impl Running {
    /// `None` where the interpreter ends: nothing is to begin any more.
    pub(crate) fn begin(_py: Python<'_>) -> Option<Self> {
        if BEGUN.load(Ordering::Acquire) && ENDING.load(Ordering::Acquire) != this_thread() {
            return None;
        }
        RUNNING.fetch_add(1, Ordering::AcqRel);
        Some(Self {
            origin: Origin::here(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A child that was forked meanwhile counts anew.
        if self.origin.is_here() {
            RUNNING.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Has the interpreter's end wait for what runs, before the hooks that were registered until now.
pub(crate) fn wait_in_it(py: Python<'_>) -> PyResult<()> {
    let hook = wrap_pyfunction!(begins, py)?;
    py.import("atexit")?.call_method1("register", (hook,))?;
    Ok(())
}

/// Has forked children count what runs there alone.
pub(crate) fn watch_forks() -> std::io::Result<()> {
    extern "C" fn in_child() {
        RUNNING.store(0, Ordering::Release);
        BEGUN.store(false, Ordering::Release);
    }
    origin::at_fork(in_child)
}

#[pyfunction]
fn begins(py: Python<'_>) {
    ENDING.store(this_thread(), Ordering::Release);
    BEGUN.store(true, Ordering::Release);
    let deadline = Instant::now() + PATIENCE;
    py.detach(|| {
        while RUNNING.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
            thread::sleep(PAUSE);
        }
    });
}

fn this_thread() -> usize {
    // SAFETY: takes and changes nothing.
    unsafe { libc::pthread_self() as usize }
}
