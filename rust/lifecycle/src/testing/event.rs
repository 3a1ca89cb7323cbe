//! What happened in a run, and when.

use std::time::Duration;

/// Something that the host saw, and when, counted from the beginning of the run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub at: Duration,
    pub what: String,
}
