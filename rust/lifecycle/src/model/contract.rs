//! The model: what the contract says of a sequence, with the shares of 35 s of shutdown worked out
//! by hand (grace 5 s, timeout 30 s: 25 s of work, 2.5 s of them the drain's own, 5 s cleanup's).

mod engine;
mod hooks;
mod time;

use super::controls::{Call, Controls, Requests};
use super::operation::Operation;
use super::{GRACE, Seen, Sequence};

const WORK: u64 = 25_000;
const DEADLINE: u64 = 35_000;

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Connecting,
    /// Until it connects again, and how long it pauses after that.
    Pausing(u64, u64),
    Starting,
    Publishing,
    Registering,
    Serving,
    /// A control changes discovery: until then, and until when unregistering may take.
    Changing {
        free: u64,
        until: u64,
    },
    Unregistering {
        until: u64,
    },
    Withdrawing {
        until: u64,
    },
    Grace {
        until: u64,
    },
    Waiting {
        half: u64,
        until: u64,
    },
    Cutting {
        until: u64,
    },
    /// Controls are at the engine: until then, and until when they are waited for.
    LeavingAlone {
        free: u64,
        until: u64,
    },
    Draining {
        until: u64,
    },
    Asking {
        next: u64,
        until: u64,
    },
    CleaningUp,
    Over,
}

struct Model<'a> {
    sequence: &'a Sequence,
    now: u64,
    phase: Phase,
    pause: u64,
    asked: bool,
    began: Option<u64>,
    /// How serving ended by itself: badly or not.
    serving_over: Option<bool>,
    engine_failed: bool,
    /// The run knows that it failed.
    noticed: bool,
    served: bool,
    published: bool,
    accepts: bool,
    /// The shutdown refuses requests.
    refuses: bool,
    /// When each request in flight ends.
    requests: Vec<u64>,
    finished: usize,
    finished_before: usize,
    counted: usize,
    cut: usize,
    quiescent: Option<bool>,
    can_tell: bool,
    reason: &'static str,
    error: &'static str,
    failed: Vec<&'static str>,
    controls: Controls,
    calls: usize,
    seen: Seen,
}

/// What must be seen of `sequence`.
pub(super) fn predict(sequence: &Sequence) -> Seen {
    let mut model = Model {
        sequence,
        now: 0,
        phase: Phase::Connecting,
        pause: 100,
        asked: false,
        began: None,
        serving_over: None,
        engine_failed: false,
        noticed: false,
        served: false,
        published: false,
        accepts: false,
        refuses: false,
        requests: Vec::new(),
        finished: 0,
        finished_before: 0,
        counted: 0,
        cut: 0,
        quiescent: None,
        can_tell: true,
        reason: "Asked",
        error: "",
        failed: Vec::new(),
        controls: Controls::new(),
        calls: 0,
        seen: Seen::default(),
    };
    model.see("connect");
    for operation in sequence.to_the_end() {
        model.step(operation);
    }
    model.seen.in_order()
}

impl Model<'_> {
    fn step(&mut self, operation: Operation) {
        if self.phase == Phase::Over {
            return;
        }
        match operation {
            Operation::Pass(time) => self.pass(self.now + time),
            Operation::HookEnds { well } => self.hook_ends(well),
            Operation::Signal => {
                if !std::mem::replace(&mut self.asked, true) {
                    self.signal();
                }
            }
            Operation::Request(takes) if self.accepts => self.requests.push(self.now + takes),
            Operation::Request(_) => self.see("request refused"),
            Operation::Control {
                does,
                takes,
                reply,
                discovery_works,
            } => {
                self.calls += 1;
                let number = self.calls;
                let call = Call {
                    number,
                    does,
                    takes,
                    reply,
                    discovery_works,
                };
                self.controls.call(self.now, call, &mut self.seen.trace);
            }
            Operation::Quiescent(answer) => self.quiescent = answer,
            Operation::ServingEnds => self.ends_by_itself(false),
            Operation::DiscoveryLost => self.ends_by_itself(true),
            Operation::EngineFails if self.engine_failed => {}
            Operation::EngineFails => self.engine_fails(),
        }
        self.settle();
    }

    /// Lets the controls do what they can by now.
    fn advance_controls(&mut self) {
        let mut requests = Requests {
            in_flight: &mut self.requests,
            accepts: &mut self.accepts,
        };
        self.controls
            .advance(self.now, &mut requests, &mut self.seen.trace);
    }

    fn see(&mut self, what: &str) {
        self.seen.trace.push((self.now, what.to_owned()));
    }

    fn begin(&mut self) -> u64 {
        if self.began.is_none() {
            self.began = Some(self.now);
            self.controls.shutting_down = true;
            self.see("shutdown began");
        }
        self.now - self.began.unwrap_or_default()
    }

    fn signal(&mut self) {
        match self.phase {
            Phase::Connecting | Phase::Pausing(..) => {
                self.begin();
                self.stop();
                self.over();
            }
            Phase::Publishing if self.sequence.fetches => {
                self.begin();
                self.withdraw();
            }
            Phase::Starting | Phase::Publishing | Phase::Registering => {
                self.begin();
            }
            Phase::Serving => self.down(),
            _ => {}
        }
    }

    fn ends_by_itself(&mut self, badly: bool) {
        if self.serving_over.is_none() {
            self.serving_over = Some(badly);
            if self.phase == Phase::Serving {
                self.serving_ended(badly);
            }
        }
    }

    fn serving_ended(&mut self, badly: bool) {
        if badly {
            self.fail("serve");
        } else {
            self.reason = "Ended";
        }
        self.down();
    }

    fn fail(&mut self, step: &'static str) {
        self.reason = "Failed";
        self.error = step;
    }

    /// Serving has begun, or was given up; what ended it already is looked at first.
    fn serve(&mut self) {
        if self.noticed {
            self.fail("engine");
            return self.down();
        }
        if !self.asked {
            self.see("serving");
        }
        self.phase = Phase::Serving;
        match self.serving_over {
            Some(badly) => self.serving_ended(badly),
            None if self.asked => self.down(),
            None => {}
        }
    }

    fn down(&mut self) {
        let elapsed = self.begin();
        self.finished_before = self.finished;
        let share = WORK.saturating_sub(elapsed).div_ceil(2);
        let share = if self.noticed {
            share.min(1_000)
        } else {
            share
        };
        let until = self.now + share;
        match self.controls.changing() {
            Some(free) => self.phase = Phase::Changing { free, until },
            None => self.unregister(until),
        }
    }

    /// An instance that a control took out is out; one that may be there is taken out.
    fn unregister(&mut self, until: u64) {
        if self.served && !self.controls.listed {
            return self.grace();
        }
        self.see("unregister");
        self.phase = Phase::Unregistering { until };
    }

    fn withdraw(&mut self) {
        self.see("withdraw");
        let until = self.now + self.left(GRACE + WORK).div_ceil(2);
        self.phase = Phase::Withdrawing { until };
    }

    /// What is left until `at` of the shutdown.
    fn left(&self, at: u64) -> u64 {
        at.saturating_sub(self.now - self.began.unwrap_or(self.now))
    }

    fn withdrawn(&mut self) {
        if self.error.is_empty() {
            self.drain();
        } else {
            self.clean_up();
        }
    }

    /// An instance that has been out for a while needs less of it, or none.
    fn grace(&mut self) {
        let out = self.controls.left_at.filter(|_| !self.controls.listed);
        let since = out.unwrap_or(self.now);
        self.noticed |= self.engine_failed;
        let until = if self.noticed {
            self.now
        } else {
            self.now.max(since + GRACE)
        };
        self.phase = Phase::Grace { until };
    }

    fn waited(&mut self) {
        self.counted = self.finished - self.finished_before;
        self.cut = self.requests.len();
        if self.cut == 0 {
            return self.after_wait();
        }
        self.see("cut");
        self.requests.clear();
        let until = self.now + self.left(GRACE + WORK).div_ceil(2);
        self.phase = Phase::Cutting { until };
    }

    fn refuse(&mut self) {
        self.refuses = true;
        self.accepts = false;
        self.see("refuse");
    }

    /// The engine is drained when its controls are over, or have had half of the time.
    fn drain(&mut self) {
        match self.controls.at_engine() {
            Some(free) => {
                let until = self.now + self.left(GRACE + WORK).div_ceil(2);
                self.phase = Phase::LeavingAlone { free, until };
            }
            None => self.begin_drain(),
        }
    }

    fn begin_drain(&mut self) {
        self.see("drain");
        let until = self.now + self.left(GRACE + WORK);
        self.phase = Phase::Draining { until };
    }

    fn drained(&mut self) {
        let left = self.left(GRACE + WORK).min(30_000);
        // Only after serving: before it nothing could have to become quiescent.
        let served = self.seen.trace.iter().any(|(_, what)| what == "refuse");
        if self.sequence.prefill && served && left > 0 {
            let until = self.now + left;
            self.phase = Phase::Asking {
                next: self.now,
                until,
            };
        } else {
            self.clean_up();
        }
    }

    fn clean_up(&mut self) {
        self.see("cleanup");
        self.phase = Phase::CleaningUp;
    }

    fn stop(&mut self) {
        self.see("stopped");
    }

    fn over(&mut self) {
        self.phase = Phase::Over;
        self.seen.end = format!(
            "{}, error {:?}, failed {:?}, {} finished, {} cut",
            self.reason, self.error, self.failed, self.counted, self.cut
        );
    }
}
