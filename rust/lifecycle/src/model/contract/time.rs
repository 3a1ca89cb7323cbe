//! What time alone does to a worker: shares that end, requests that finish, the deadline.

use super::{DEADLINE, GRACE, Model, Phase, WORK};

impl Model<'_> {
    /// Lets time pass until `target`, one event after the other.
    pub(super) fn pass(&mut self, target: u64) {
        loop {
            self.settle();
            let deadline = self.began.map(|began| began + DEADLINE);
            let request = self.requests.iter().copied().min();
            let times = [self.timer(), request, self.controls.next(), deadline];
            let Some(next) = times.into_iter().flatten().min() else {
                break;
            };
            if next > target || self.phase == Phase::Over {
                break;
            }
            self.now = next;
            if request == Some(next) {
                let before = self.requests.len();
                self.requests.retain(|ends| *ends != next);
                self.finished += before - self.requests.len();
            }
            self.advance_controls();
            if self.timer() == Some(next) {
                self.time_is_up();
            }
            if deadline == Some(next) && self.phase != Phase::Over {
                self.see("killed");
                self.seen.end = "killed".to_owned();
                self.phase = Phase::Over;
            }
        }
        self.now = target;
    }

    /// When the phase changes by itself.
    fn timer(&self) -> Option<u64> {
        let step_over = self.began.map(|began| began + WORK / 2);
        match self.phase {
            Phase::Pausing(until, _) => Some(until),
            Phase::Publishing | Phase::Registering => step_over,
            Phase::Changing { free, until } | Phase::LeavingAlone { free, until } => {
                Some(free.min(until))
            }
            Phase::Unregistering { until }
            | Phase::Withdrawing { until }
            | Phase::Grace { until }
            | Phase::Cutting { until }
            | Phase::Draining { until } => Some(until),
            Phase::Waiting { half, until } => Some(if self.refuses { until } else { half }),
            Phase::Asking { next, until } => Some(next.min(until)),
            _ => None,
        }
    }

    fn time_is_up(&mut self) {
        match self.phase {
            Phase::Pausing(_, pause) => {
                self.pause = pause;
                self.phase = Phase::Connecting;
                self.see("connect");
            }
            Phase::Publishing => {
                self.failed.push("unregister");
                if self.noticed {
                    self.fail("engine");
                }
                self.withdraw();
            }
            Phase::Registering => {
                self.failed.push("unregister");
                self.serve();
            }
            Phase::Changing { until, .. } if self.controls.changing().is_none() => {
                self.unregister(until);
            }
            Phase::Changing { .. } | Phase::Unregistering { .. } => {
                self.failed.push("unregister");
                self.grace();
            }
            Phase::Withdrawing { .. } => {
                self.failed.push("unregister");
                self.withdrawn();
            }
            Phase::Grace { .. } => {
                let share = self.left(GRACE + WORK - WORK / 10);
                let (half, until) = (self.now + share.div_ceil(2), self.now + share);
                self.phase = Phase::Waiting { half, until };
                // A worker that never served has nothing to refuse, but says so all the same.
                if self.requests.is_empty() || share == 0 {
                    self.refuse();
                }
            }
            Phase::Waiting { .. } if !self.refuses => self.refuse(),
            Phase::Waiting { .. } => self.waited(),
            Phase::Cutting { .. } => {
                self.failed.push("wait");
                self.after_wait();
            }
            Phase::LeavingAlone { .. } if self.controls.at_engine().is_none() => {
                self.begin_drain();
            }
            Phase::LeavingAlone { .. } => {
                self.failed.push("drain");
                self.begin_drain();
            }
            Phase::Draining { .. } => {
                self.failed.push("drain");
                self.drained();
            }
            Phase::Asking { next, until } if next <= until => {
                self.can_tell = self.quiescent.is_some();
                if self.quiescent == Some(true) {
                    self.clean_up();
                } else {
                    self.phase = Phase::Asking {
                        next: next + 500,
                        until,
                    };
                }
            }
            Phase::Asking { .. } => {
                if self.can_tell {
                    self.failed.push("drain");
                }
                self.clean_up();
            }
            _ => {}
        }
    }

    /// What happens at once: an idle worker does not wait, and what has no time left is over.
    pub(super) fn settle(&mut self) {
        loop {
            self.advance_controls();
            let over = self.requests.is_empty() || self.noticed;
            if matches!(self.phase, Phase::Waiting { .. }) && over {
                if !self.refuses {
                    self.refuse();
                }
                self.waited();
            } else if self.timer().is_some_and(|timer| timer <= self.now) {
                self.time_is_up();
            } else {
                break;
            }
        }
    }
}
