//! What an engine that fails does to a worker.

use super::{Model, Phase};

impl Model<'_> {
    /// A failed engine is noticed before the shutdown, or while it gives requests time.
    pub(super) fn engine_fails(&mut self) {
        self.engine_failed = true;
        match self.phase {
            Phase::Publishing | Phase::Registering if self.began.is_none() => {
                self.noticed = true;
                self.begin();
                if self.phase == Phase::Publishing && self.sequence.fetches {
                    self.withdraw_of_failed("engine");
                }
            }
            Phase::Serving => {
                self.noticed = true;
                self.fail("engine");
                self.down();
            }
            Phase::Grace { .. } => self.grace(),
            Phase::Waiting { .. } => self.noticed = true,
            _ => {}
        }
    }

    pub(super) fn withdraw_of_failed(&mut self, step: &'static str) {
        self.fail(step);
        self.begin();
        self.withdraw();
    }

    /// A failed engine is not drained; where it did not fail the run, that is said.
    pub(super) fn after_wait(&mut self) {
        if !self.noticed {
            return self.drain();
        }
        if self.error != "engine" {
            self.failed.push("wait");
        }
        self.clean_up();
    }
}
