//! Shutdown: the arithmetic of its deadline, its clock, and the sequence itself.

mod budget;
mod clock;
mod sequence;

pub use budget::Budget;
pub(crate) use clock::Clock;
pub(crate) use sequence::Sequence;
