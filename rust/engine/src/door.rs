//! What a worker calls: the functions of the tables, around an author's engine. No panic leaves one.

mod calls;
mod entered;
mod functions;
mod guard;
mod operation;
mod stream;

use dynamo_engine_abi as abi;

use crate::engine::Engine;
use crate::runtime::Runtime;
use entered::Entered;

pub(crate) use guard::guarded;
pub(crate) use operation::give;

/// The engine as a worker takes it.
pub(crate) fn enter<E: Engine>(engine: E, runtime: Runtime) -> abi::Engine {
    Entered::export(engine, runtime, functions::table::<E>)
}
