//! The environment: one table of its variables, and the only code that reads and writes them.
//!
//! The command line's options, the table in `docs/operations.md` and the tests are made from it.

mod table;
mod variable;

pub use table::*;
pub use variable::{Kind, Reader, Variable};
