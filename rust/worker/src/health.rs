//! Readiness, and the health canary: its payload, and the engine that answers its probes.

mod payload;
mod probe;
mod readiness;

pub(crate) use payload::payload;
pub(crate) use probe::ProbeEngine;
pub(crate) use readiness::Readiness;
