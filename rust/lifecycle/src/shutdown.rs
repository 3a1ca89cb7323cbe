//! Shutdown: its stages, the arithmetic of its deadline, its clock, and the sequence itself.

mod budget;
mod clock;
mod sequence;
mod stage;

pub use budget::Budget;
pub(crate) use clock::Clock;
pub(crate) use sequence::Sequence;
pub use stage::Stage;
