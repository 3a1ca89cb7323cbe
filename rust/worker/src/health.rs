//! The health canary: its payload, and the engine that answers its probes.

mod payload;
mod probe;

pub(crate) use payload::payload;
pub(crate) use probe::ProbeEngine;
