//! The model's controls, from the contract's section 7 and the operator's drain and resume: who
//! waits, who acts, what is answered.

use std::collections::VecDeque;

use super::GRACE;
use super::operation::{Does, Reply};

/// How long one change of discovery takes, out of it and back into it.
pub(super) const LEAVING: u64 = 84;
pub(super) const RETURNING: u64 = 128;
/// How long requests may take before an engine is put to sleep.
pub(super) const SLEEP: u64 = 10_000;

/// A control that was called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub number: usize,
    pub does: Does,
    pub takes: u64,
    pub reply: Reply,
    pub discovery_works: bool,
}

/// What the one does that has its turn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Leaving(u64),
    Grace(u64),
    Settling(u64),
    Engine(u64),
    Returning(u64),
}

/// The requests, which a sleep waits for and refuses.
pub(super) struct Requests<'a> {
    /// When each in flight ends.
    pub in_flight: &'a mut Vec<u64>,
    pub accepts: &'a mut bool,
}

/// Every control of a worker, and where its instance is.
#[derive(Debug)]
pub(super) struct Controls {
    pub serving: bool,
    pub shutting_down: bool,
    /// In discovery, or maybe: a registration that failed may have been heard.
    pub listed: bool,
    /// In discovery for sure: nothing to register.
    pub surely: bool,
    /// When the instance left, while it is out.
    pub left_at: Option<u64>,
    awake: bool,
    drained: bool,
    /// Those that change nothing in discovery: until when their engine calls run.
    direct: Vec<(u64, Call)>,
    turn: Option<(Call, Stage)>,
    /// Whoever waits for the turn.
    waiting: VecDeque<Call>,
}

type Trace = Vec<(u64, String)>;

impl Controls {
    pub(super) fn new() -> Self {
        Self {
            serving: false,
            shutting_down: false,
            listed: false,
            surely: false,
            left_at: None,
            awake: true,
            drained: false,
            direct: Vec::new(),
            turn: None,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn call(&mut self, now: u64, call: Call, trace: &mut Trace) {
        if self.refuses(now, call, trace) {
            return;
        }
        if call.does == Does::Flush {
            see(now, call, "calls the engine", trace);
            self.direct.push((now + call.takes, call));
        } else {
            self.waiting.push_back(call);
        }
    }

    /// When something is over by itself.
    pub(super) fn next(&self) -> Option<u64> {
        let direct = self.direct.iter().map(|(ends, _)| *ends);
        let turn = self.turn.map(|(_, stage)| match stage {
            Stage::Leaving(at)
            | Stage::Grace(at)
            | Stage::Settling(at)
            | Stage::Engine(at)
            | Stage::Returning(at) => at,
        });
        direct.chain(turn).min()
    }

    /// Until when discovery is being changed.
    pub(super) fn changing(&self) -> Option<u64> {
        match self.turn {
            Some((_, Stage::Leaving(until) | Stage::Returning(until))) => Some(until),
            _ => None,
        }
    }

    /// Until when controls are at the engine.
    pub(super) fn at_engine(&self) -> Option<u64> {
        let direct = self.direct.iter().map(|(ends, _)| *ends);
        let turn = self.turn.and_then(|(_, stage)| match stage {
            Stage::Engine(at) => Some(at),
            _ => None,
        });
        direct.chain(turn).max()
    }

    /// Does what can be done by now.
    pub(super) fn advance(&mut self, now: u64, requests: &mut Requests<'_>, trace: &mut Trace) {
        while let Some(at) = self.direct.iter().position(|(ends, _)| *ends == now) {
            let (_, call) = self.direct.remove(at);
            see(now, call, "is over", trace);
        }
        loop {
            let Some((call, stage)) = self.turn else {
                let Some(next) = self.waiting.pop_front() else {
                    return;
                };
                if !self.refuses(now, next, trace) {
                    self.turn = self.begin(now, next, trace).map(|stage| (next, stage));
                }
                continue;
            };
            let over = match stage {
                // Nothing but a change of discovery outlasts the beginning of a shutdown.
                Stage::Grace(_) | Stage::Settling(_) if self.shutting_down => {
                    see(now, call, "is refused", trace);
                    None
                }
                Stage::Settling(_) if requests.in_flight.is_empty() => {
                    Some(self.sleeps(now, call, requests, trace))
                }
                Stage::Leaving(at) if at == now => self.has_left(now, call, trace),
                Stage::Grace(at) if at == now => {
                    Some(self.grace_is_over(now, call, requests, trace))
                }
                Stage::Settling(at) if at == now => {
                    let cut = std::mem::take(requests.in_flight).len();
                    see(now, call, &format!("cuts {cut}"), trace);
                    Some(self.sleeps(now, call, requests, trace))
                }
                Stage::Engine(at) if at == now => self.answered(now, call, requests, trace),
                Stage::Returning(at) if at == now => {
                    self.has_returned(now, call, trace);
                    None
                }
                _ => return,
            };
            self.turn = over.map(|stage| (call, stage));
        }
    }

    fn refuses(&self, now: u64, call: Call, trace: &mut Trace) -> bool {
        let refused = !self.serving || self.shutting_down;
        if refused {
            see(now, call, "is refused", trace);
        }
        refused
    }

    /// What a call begins with when it has its turn; `None` where that was all.
    fn begin(&mut self, now: u64, call: Call, trace: &mut Trace) -> Option<Stage> {
        match call.does {
            Does::Sleep | Does::Pause | Does::Drain if self.listed => {
                self.surely = false;
                Some(Stage::Leaving(now + LEAVING))
            }
            Does::Sleep | Does::Pause | Does::Drain => self.stays_out(now, call, trace),
            Does::Wake | Does::Flush => {
                see(now, call, "calls the engine", trace);
                Some(Stage::Engine(now + call.takes))
            }
            Does::Resume => self.comes_back(now, call, trace),
        }
    }

    fn has_left(&mut self, now: u64, call: Call, trace: &mut Trace) -> Option<Stage> {
        if !call.discovery_works {
            if !self.shutting_down {
                see(now, call, "remains", trace);
            }
            see(now, call, "could not leave", trace);
            return None;
        }
        self.listed = false;
        self.left_at = Some(now);
        self.stays_out(now, call, trace)
    }

    fn stays_out(&mut self, now: u64, call: Call, trace: &mut Trace) -> Option<Stage> {
        if call.does == Does::Drain {
            self.drained = true;
            see(now, call, "is over", trace);
            return None;
        }
        self.awake = false;
        let left_at = self.left_at.unwrap_or(now);
        Some(Stage::Grace((left_at + GRACE).max(now)))
    }

    fn grace_is_over(
        &mut self,
        now: u64,
        call: Call,
        requests: &mut Requests<'_>,
        trace: &mut Trace,
    ) -> Stage {
        if call.does == Does::Pause || requests.in_flight.is_empty() {
            return self.sleeps(now, call, requests, trace);
        }
        Stage::Settling(now + SLEEP)
    }

    fn sleeps(
        &mut self,
        now: u64,
        call: Call,
        requests: &mut Requests<'_>,
        trace: &mut Trace,
    ) -> Stage {
        *requests.accepts = false;
        see(now, call, "calls the engine", trace);
        Stage::Engine(now + call.takes)
    }

    fn answered(
        &mut self,
        now: u64,
        call: Call,
        requests: &mut Requests<'_>,
        trace: &mut Trace,
    ) -> Option<Stage> {
        if call.does != Does::Wake || call.reply != Reply::Done {
            see(now, call, "is over", trace);
            return None;
        }
        if !self.shutting_down {
            *requests.accepts = true;
        }
        self.comes_back(now, call, trace)
    }

    fn comes_back(&mut self, now: u64, call: Call, trace: &mut Trace) -> Option<Stage> {
        if self.shutting_down {
            see(now, call, "may not return", trace);
            return None;
        }
        let stays_out = match call.does {
            Does::Wake => self.drained,
            _ => !self.awake,
        };
        if stays_out || self.surely {
            self.is_back(call);
            see(now, call, "is over", trace);
            return None;
        }
        self.listed = true;
        Some(Stage::Returning(now + RETURNING))
    }

    fn has_returned(&mut self, now: u64, call: Call, trace: &mut Trace) {
        if !call.discovery_works {
            return see(now, call, "could not return", trace);
        }
        self.surely = true;
        self.left_at = None;
        self.is_back(call);
        see(now, call, "is over", trace);
    }

    fn is_back(&mut self, call: Call) {
        match call.does {
            Does::Wake => self.awake = true,
            _ => self.drained = false,
        }
    }
}

fn see(now: u64, call: Call, what: &str, trace: &mut Trace) {
    trace.push((now, format!("control {} {what}", call.number)));
}
