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
    /// Never returns; where the trait wants it to give up waiting, it does.
    Hangs,
    /// Never returns, whatever the trait wants.
    IsDeaf,
    /// Panics after these seconds.
    Panics(f64),
}

/// One answer of `is_quiescent`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    Says(Option<bool>),
    Fails,
    Hangs,
}

/// How connecting fails before it goes as planned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Refusals {
    /// So many attempts fail, each after as long as `connect` takes.
    pub attempts: u32,
    /// Whether the host says that trying again may help.
    pub worth_retrying: bool,
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
    /// For how long connecting is tried; 0 is one attempt.
    pub connect_limit: f64,
    pub polls_quiescence: bool,
    /// Whether the deadline ends the process.
    pub deadline_kept: bool,

    pub refusals: Refusals,
    pub connect: Hook,
    pub start: Hook,
    /// How the engine's watch ends; `Hangs` where it does not.
    pub watch: Hook,
    pub publish: Hook,
    pub serve: Hook,
    /// How serving ends by itself; `Hangs` where it does not.
    pub ended: Hook,
    pub unregister: Hook,
    pub withdraw: Hook,
    pub drain: Hook,
    /// The answers of `is_quiescent` in turn, the last one for good.
    pub quiescent: Vec<Answer>,
    pub cut: Hook,
    pub cleanup: Hook,
    pub release: Hook,
    pub requests: Vec<Arrival>,

    /// Seconds by which the run sees late that shutdown was asked for, of a thread that was blocked.
    pub seen_late: f64,
    /// Seconds into the run at which shutdown is asked for.
    pub ask_at: f64,
    /// The point at which it is asked for, where that comes first.
    pub ask_at_point: Option<usize>,
    /// The poll of the run before which it is asked for, where that comes first.
    pub ask_at_poll: Option<usize>,
    /// Whether it is asked for once more at every point after the first asking.
    pub ask_again: bool,
    /// The point at which discovery is lost: serving fails as soon as it is looked at.
    pub lose_at_point: Option<usize>,
    /// The poll of the run before which discovery is lost.
    pub lose_at_poll: Option<usize>,
    /// The point at which the engine fails: its watch says so as soon as it is looked at.
    pub fail_at_point: Option<usize>,
    /// The poll of the run before which it fails.
    pub fail_at_poll: Option<usize>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            grace: 5.0,
            timeout: 30,
            prefill_drain: 30.0,
            connect_limit: 20.0,
            polls_quiescence: false,
            deadline_kept: true,
            refusals: Refusals {
                attempts: 0,
                worth_retrying: true,
            },
            connect: Hook::Takes(0.5),
            start: Hook::Takes(3.0),
            watch: Hook::Hangs,
            publish: Hook::Takes(1.0),
            serve: Hook::Takes(0.25),
            ended: Hook::Hangs,
            unregister: Hook::Takes(0.25),
            withdraw: Hook::Takes(0.25),
            drain: Hook::Takes(0.5),
            quiescent: vec![Answer::Says(Some(true))],
            cut: Hook::Takes(0.0),
            cleanup: Hook::Takes(2.0),
            release: Hook::Takes(0.0),
            requests: Vec::new(),
            seen_late: 0.0,
            ask_at: 100.0,
            ask_at_point: None,
            ask_at_poll: None,
            ask_again: false,
            lose_at_point: None,
            lose_at_poll: None,
            fail_at_point: None,
            fail_at_poll: None,
        }
    }
}

impl Plan {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            grace: Duration::from_secs_f64(self.grace),
            timeout: Duration::from_secs(self.timeout),
            prefill_drain: Duration::from_secs_f64(self.prefill_drain),
            connect: Duration::from_secs_f64(self.connect_limit),
            ..Settings::default()
        }
    }
}
