//! What a worker does when a hook ends, well or badly.

use super::{Model, Phase};

impl Model<'_> {
    pub(super) fn hook_ends(&mut self, well: bool) {
        match self.phase {
            Phase::Connecting if well => {
                self.phase = Phase::Starting;
                self.see("start");
            }
            Phase::Connecting => {
                self.phase = Phase::Pausing(self.now + self.pause, (self.pause * 2).min(5_000));
            }
            Phase::Starting if !well => {
                self.fail("start");
                self.begin();
                self.clean_up();
            }
            Phase::Starting if self.asked => self.drain(),
            Phase::Starting => {
                self.phase = Phase::Publishing;
                self.published = true;
                self.see("publish");
                if self.engine_failed {
                    self.engine_fails();
                }
            }
            Phase::Publishing if self.noticed => self.withdraw_of_failed("engine"),
            Phase::Publishing if !well => self.withdraw_of_failed("publish"),
            Phase::Publishing if self.asked => self.withdraw(),
            Phase::Publishing => {
                self.phase = Phase::Registering;
                self.see("serve");
            }
            Phase::Registering if well => {
                self.served = true;
                self.accepts = true;
                self.controls.serving = true;
                self.controls.listed = true;
                self.controls.surely = true;
                self.serve();
            }
            Phase::Registering => {
                self.fail(if self.noticed { "engine" } else { "serve" });
                self.down();
            }
            Phase::Unregistering { .. } => {
                self.failed_unless(well, "unregister");
                self.grace();
            }
            Phase::Withdrawing { .. } => self.withdrawn(),
            Phase::Cutting { .. } => self.after_wait(),
            Phase::Draining { .. } => {
                self.failed_unless(well, "drain");
                self.drained();
            }
            Phase::CleaningUp => {
                self.failed_unless(well, "cleanup");
                self.stop();
                if self.published {
                    self.see("release");
                }
                self.over();
            }
            _ => {}
        }
    }

    fn failed_unless(&mut self, well: bool, stage: &'static str) {
        if !well {
            self.failed.push(stage);
        }
    }
}
