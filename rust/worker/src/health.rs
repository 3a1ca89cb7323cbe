//! Readiness, and the health canary: its payload, and the prober that sends it.

mod payload;
mod prober;
mod readiness;

pub(crate) use payload::payload;
pub(crate) use prober::{Prober, take_over, times};
pub(crate) use readiness::Readiness;
