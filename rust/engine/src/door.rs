//! What a worker calls: the functions of the tables, around an author's engine. No panic leaves one.

mod calls;
mod entered;
mod functions;
mod guard;
mod operation;
mod stream;

pub(crate) use entered::Entered;
pub(crate) use guard::guarded;
pub(crate) use operation::give;
