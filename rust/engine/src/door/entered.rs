//! An author's engine, as its table's functions have it.

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use dynamo_engine_abi as abi;

use super::guard::guarded;
use crate::engine::Engine;
use crate::error::Error;
use crate::host::Host;
use crate::runtime::Runtime;

/// An engine behind a table. What is under way holds it, too.
pub(super) struct Entered<E> {
    table: Table,
    name: Box<str>,
    engine: ManuallyDrop<E>,
    pub(super) host: Host,
    runtime: Runtime,
}

struct Table(abi::EngineTable);

// SAFETY: it is not changed, and the name that it lends is part of what it is part of.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl<E: Engine> Entered<E> {
    /// The engine as a worker takes it; `table` makes its table.
    pub(super) fn export(
        engine: E,
        runtime: Runtime,
        table: fn(name: abi::Str) -> abi::EngineTable,
    ) -> abi::Engine {
        let name: Box<str> = match guarded("Engine", "name", || engine.name()) {
            Ok(name) if !name.is_empty() => name.into(),
            _ => std::any::type_name::<E>().into(),
        };
        let entered = Arc::new(Self {
            table: Table(table(abi::Str::lend(&name))),
            name,
            engine: ManuallyDrop::new(engine),
            host: Host::absent(),
            runtime,
        });
        let table = &raw const entered.table.0;
        abi::Engine {
            table,
            data: Arc::into_raw(entered).cast_mut().cast(),
        }
    }

    /// The engine that a function was called with.
    ///
    /// # Safety
    ///
    /// `data` is that of an engine of this type that was not released.
    pub(super) unsafe fn of<'a>(data: *mut c_void) -> &'a Self {
        unsafe { &*data.cast::<Self>() }
    }

    /// The same, for what goes on after the call.
    ///
    /// # Safety
    ///
    /// As [`of`](Self::of).
    pub(super) unsafe fn shared(data: *mut c_void) -> Arc<Self> {
        let data = data.cast::<Self>();
        unsafe {
            Arc::increment_strong_count(data);
            Arc::from_raw(data)
        }
    }

    /// Ends it. What is under way ends first.
    ///
    /// # Safety
    ///
    /// As [`of`](Self::of); once.
    pub(super) unsafe fn release(data: *mut c_void) {
        let this = unsafe { Arc::from_raw(data.cast::<Self>()) };
        let host = this.host.clone();
        drop(this);
        host.close();
    }

    pub(super) fn engine(&self) -> &E {
        &self.engine
    }

    /// Runs a part of the engine's code where it belongs.
    pub(super) fn run<T>(&self, function: &str, work: impl FnOnce() -> T) -> Result<T, Error> {
        guarded(&self.name, function, || self.runtime.within(work))
    }
}

impl<E> Drop for Entered<E> {
    fn drop(&mut self) {
        let engine = &mut self.engine;
        // SAFETY: it is not used after this.
        let dropped = || {
            self.runtime
                .within(|| unsafe { ManuallyDrop::drop(engine) })
        };
        // A panic was printed where it happened, and nobody is left to tell.
        let _ = guarded(&self.name, "drop", dropped);
    }
}
