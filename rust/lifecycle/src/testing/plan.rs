//! What a fake host does, and when shutdown is asked for.

use std::time::Duration;

use crate::settings::Settings;

/// How one hook behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hook {
    /// Succeeds after these seconds.
    Takes(f64),
    /// Fails after these seconds.
    Fails(f64),
    /// Never returns.
    Hangs,
}

/// A request of a plan: seconds since serving began until it arrives, seconds that it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Arrival {
    pub at: f64,
    pub takes: f64,
}

/// What the host does, and when shutdown is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub grace: f64,
    pub timeout: u64,
    pub prefill_drain: f64,
    pub polls_quiescence: bool,

    pub connect: Hook,
    pub start: Hook,
    pub publish: Hook,
    pub serve: Hook,
    /// How serving ends by itself; `Hangs` where it does not.
    pub ended: Hook,
    pub unregister: Hook,
    pub withdraw: Hook,
    pub drain: Hook,
    /// The answers of `is_quiescent` in turn, the last one for good.
    pub quiescent: Vec<Result<Option<bool>, &'static str>>,
    pub cut: Hook,
    pub cleanup: Hook,
    pub requests: Vec<Arrival>,

    /// Seconds into the run at which shutdown is asked for.
    pub ask_at: f64,
    /// The point at which it is asked for, where that comes first.
    pub ask_at_point: Option<usize>,
    /// The poll of the run before which it is asked for, where that comes first.
    pub ask_at_poll: Option<usize>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            grace: 5.0,
            timeout: 30,
            prefill_drain: 30.0,
            polls_quiescence: false,
            connect: Hook::Takes(0.5),
            start: Hook::Takes(3.0),
            publish: Hook::Takes(1.0),
            serve: Hook::Takes(0.25),
            ended: Hook::Hangs,
            unregister: Hook::Takes(0.25),
            withdraw: Hook::Takes(0.25),
            drain: Hook::Takes(0.5),
            quiescent: vec![Ok(Some(true))],
            cut: Hook::Takes(0.0),
            cleanup: Hook::Takes(2.0),
            requests: Vec::new(),
            ask_at: 100.0,
            ask_at_point: None,
            ask_at_poll: None,
        }
    }
}

impl Plan {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            grace: Duration::from_secs_f64(self.grace),
            timeout: Duration::from_secs(self.timeout),
            prefill_drain: Duration::from_secs_f64(self.prefill_drain),
        }
    }
}
