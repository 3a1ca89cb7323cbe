//! Whole workers, in processes or runtimes of their own.

mod blocked;
mod endpoint;
mod from_outside;
mod panics;
mod publishing;
mod registering;
