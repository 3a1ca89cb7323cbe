//! The model's controls, from the contract's section 7: who waits, who acts, what is answered.

use std::collections::VecDeque;

use super::operation::{Does, Reply};

/// A control that was called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub number: usize,
    pub does: Does,
    pub takes: u64,
    pub reply: Reply,
    pub discovery_works: bool,
}

/// Every control of a worker, and where its instance is.
#[derive(Debug, Default)]
pub(super) struct Controls {
    pub serving: bool,
    pub shutting_down: bool,
    /// In discovery, or maybe: a registration that failed may have been heard.
    pub listed: bool,
    /// In discovery for sure: nothing to register.
    pub surely: bool,
    /// Whose engine call runs: until when.
    running: Vec<(u64, Call)>,
    /// Whoever waits for the one lock.
    waiting: VecDeque<Call>,
}

impl Controls {
    pub(super) fn call(&mut self, now: u64, call: Call, trace: &mut Vec<(u64, String)>) {
        if self.refuse(now, call, trace) {
            return;
        }
        let locked = self
            .running
            .iter()
            .any(|(_, call)| call.does != Does::Flush);
        if call.does != Does::Flush && locked {
            self.waiting.push_back(call);
        } else {
            self.begin(now, call, trace);
        }
    }

    /// When the next engine call is over.
    pub(super) fn next(&self) -> Option<u64> {
        self.running.iter().map(|(ends, _)| *ends).min()
    }

    /// Ends the engine calls that are over now, and lets the next in.
    pub(super) fn fire(&mut self, now: u64, trace: &mut Vec<(u64, String)>) {
        while let Some(at) = self.running.iter().position(|(ends, _)| *ends == now) {
            let (_, call) = self.running.remove(at);
            trace.push((now, format!("control {} {}", call.number, self.end(call))));
            if call.does == Does::Flush {
                continue;
            }
            while let Some(next) = self.waiting.pop_front() {
                if !self.refuse(now, next, trace) && self.begin(now, next, trace) {
                    break;
                }
            }
        }
    }

    fn refuse(&self, now: u64, call: Call, trace: &mut Vec<(u64, String)>) -> bool {
        let refused = !self.serving || self.shutting_down;
        if refused {
            trace.push((now, format!("control {} is refused", call.number)));
        }
        refused
    }

    /// Takes the instance out where that comes first, then calls the engine; false where the
    /// engine is not called.
    fn begin(&mut self, now: u64, call: Call, trace: &mut Vec<(u64, String)>) -> bool {
        if call.does == Does::Sleep && self.listed {
            self.surely = false;
            if !call.discovery_works {
                trace.push((now, format!("control {} could not leave", call.number)));
                return false;
            }
            self.listed = false;
        }
        trace.push((now, format!("control {} calls the engine", call.number)));
        self.running.push((now + call.takes, call));
        true
    }

    fn end(&mut self, call: Call) -> &'static str {
        if call.does != Does::Wake || call.reply != Reply::Done || self.surely {
            return "is over";
        }
        if self.shutting_down {
            return "may not return";
        }
        self.listed = true;
        self.surely = call.discovery_works;
        if call.discovery_works {
            "returned"
        } else {
            "could not return"
        }
    }
}
