//! The health canary: its payload, and the prober that sends it.

mod payload;
mod probed;
mod prober;

pub(crate) use payload::payload;
pub(crate) use probed::Answers;
pub(crate) use prober::{Prober, switch_off, take_over, times};
