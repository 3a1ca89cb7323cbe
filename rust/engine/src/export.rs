//! An engine as a worker takes it.

use std::ptr::NonNull;

use dynamo_engine_abi as abi;

use crate::door::enter;
use crate::engine::Engine;
use crate::runtime::Runtime;

/// Makes of an engine what a worker takes. [`Export`] has more to say about it.
pub fn export(engine: impl Engine) -> Exported {
    Export::new(engine).into()
}

/// An engine, and what belongs to it.
pub struct Export<E> {
    engine: E,
    runtime: Runtime,
}

impl<E: Engine> Export<E> {
    /// One that needs nothing.
    pub fn new(engine: E) -> Self {
        Self {
            engine,
            runtime: Runtime::default(),
        }
    }

    /// One whose code runs inside this runtime, so that timers, sockets and `tokio::spawn` work. It
    /// needs threads of its own (`new_multi_thread`), as nobody else drives it, and ends with the
    /// engine, without waiting for its tasks.
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn on(mut self, runtime: tokio::runtime::Runtime) -> Self {
        self.runtime = Runtime::of(runtime);
        self
    }
}

/// An engine that a worker can take. Dropped, it is freed.
pub struct Exported {
    engine: NonNull<abi::Engine>,
}

// SAFETY: an engine's functions may be called on any thread.
unsafe impl Send for Exported {}

impl Exported {
    /// Hands it over: to a capsule, or to a worker. It is freed by [`from_raw`](Self::from_raw).
    pub fn into_raw(self) -> NonNull<abi::Engine> {
        std::mem::ManuallyDrop::new(self).engine
    }

    /// The same, for a caller that has a place for it.
    pub(crate) fn into_engine(self) -> abi::Engine {
        // SAFETY: it was boxed below, and the box is freed here alone.
        *unsafe { Box::from_raw(self.into_raw().as_ptr()) }
    }

    /// Takes it back. What is dropped then is the engine, where nobody has taken it, or what is left
    /// of it.
    ///
    /// # Safety
    ///
    /// `engine` comes from [`into_raw`](Self::into_raw), once.
    pub unsafe fn from_raw(engine: NonNull<abi::Engine>) -> Self {
        Self { engine }
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        // SAFETY: it was boxed below, and nobody else frees it.
        let engine = unsafe { Box::from_raw(self.engine.as_ptr()) };
        // SAFETY: a table lives until its engine is released, and is null once that was taken.
        if let Some(release) = unsafe { engine.table.as_ref() }.and_then(|table| table.release) {
            unsafe { release(engine.data) }
        }
    }
}

impl<E: Engine> From<Export<E>> for Exported {
    fn from(export: Export<E>) -> Self {
        let engine = Box::new(enter(export.engine, export.runtime));
        Self {
            engine: NonNull::from(Box::leak(engine)),
        }
    }
}

impl<E: Engine> From<E> for Exported {
    fn from(engine: E) -> Self {
        export(engine)
    }
}
