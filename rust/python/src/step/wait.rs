//! A step loop that has nothing to do, and sleeps.

use std::time::Instant;

use dynamo_backend_handoff::notify::Notice;

use super::push::Push;
use super::streams::{Shared, StepReport};
use crate::buffer::Room;

impl Shared {
    /// Sleeps until there is something to report, a notice to wake, or it is that time.
    pub(super) fn wait(&self, until: Option<Instant>) -> StepReport {
        loop {
            // Before the look: what comes behind it wakes.
            let notice = self.notify.take();
            let told = self.streams.lock().stalled.clone();
            let report = Push::new(self, self.untold()).done();
            if notice == Notice::Wake
                || !report.cancelled.is_empty()
                || report.stalled != told
                || until.is_some_and(|until| Instant::now() >= until)
            {
                return report;
            }
            let streams = self.streams.lock();
            for open in report.stalled.iter().filter_map(|id| streams.open.get(id)) {
                open.writer.when_room(Room::Steps(self.notify.clone()));
            }
            drop(streams);
            self.notify.wait(until);
        }
    }
}
