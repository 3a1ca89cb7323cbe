//! The arithmetic of a shutdown's deadline: who may use how much of it.
//!
//! ```text
//! 0            grace                                              deadline
//! |-- grace ---|------------------- timeout ---------------------|
//!              |--------- work: wait, drain --------|-- cleanup --|
//!              |------------ wait -----------|drain-|
//! ```
//!
//! *Work* is the timeout less 5 s, and never less than half of it. A tenth of the work is kept
//! from the wait, because a drain that got no time at all would be dropped at its first await
//! whenever requests had to be cut. What a stage leaves unused goes to the next.
//!
//! All inputs are arguments; `elapsed` counts from the moment shutdown began. Sums saturate.

use std::time::Duration;

use crate::settings::Settings;

/// What cleanup keeps for itself where the timeout is long enough.
const CLEANUP_RESERVE: Duration = Duration::from_secs(5);

/// The shares of one shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    grace: Duration,
    timeout: Duration,
    prefill_drain: Duration,
}

impl Budget {
    /// The shares that follow from `settings`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynamo_backend_lifecycle::{Budget, Settings};
    ///
    /// let budget = Budget::new(&Settings {
    ///     grace: Duration::from_secs(5),
    ///     timeout: Duration::from_secs(30),
    ///     ..Settings::default()
    /// });
    /// assert_eq!(budget.deadline(), Duration::from_secs(35));
    /// assert_eq!(budget.cleanup(), Duration::from_secs(5));
    /// ```
    pub fn new(settings: &Settings) -> Self {
        Self {
            grace: settings.grace,
            timeout: settings.timeout,
            prefill_drain: settings.prefill_drain,
        }
    }

    /// From the beginning of shutdown to the forced exit: timeout and grace.
    pub fn deadline(&self) -> Duration {
        self.timeout.saturating_add(self.grace)
    }

    /// How long routers get to see that the instance is gone.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// What waiting and draining may use together.
    pub fn work(&self) -> Duration {
        self.timeout
            .saturating_sub(CLEANUP_RESERVE)
            .max(self.timeout / 2)
    }

    /// What is left to cleanup when waiting and draining use all of their share.
    pub fn cleanup(&self) -> Duration {
        self.timeout.saturating_sub(self.work())
    }

    /// How long a step before serving may still take when shutdown begins in it: half of the work.
    pub fn finish(&self) -> Duration {
        self.work() / 2
    }

    /// How long unregistering may take: half of the work, so that one that hangs leaves the other
    /// half to the requests.
    pub fn unregister(&self, elapsed: Duration) -> Duration {
        self.work().saturating_sub(elapsed) / 2
    }

    /// How long withdrawing may take, where no grace follows: half of what is left before cleanup.
    pub fn withdraw(&self, elapsed: Duration) -> Duration {
        self.drain(elapsed) / 2
    }

    /// How long requests in flight may still take.
    pub fn wait(&self, elapsed: Duration) -> Duration {
        let kept_for_drain = self.work() / 10;
        self.drain(elapsed).saturating_sub(kept_for_drain)
    }

    /// How long draining may still take.
    pub fn drain(&self, elapsed: Duration) -> Duration {
        self.grace
            .saturating_add(self.work())
            .saturating_sub(elapsed)
    }

    /// How long `is_quiescent` may still be polled: its own budget, or what is left of the drain.
    pub fn quiescence(&self, elapsed: Duration) -> Duration {
        self.prefill_drain.min(self.drain(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(grace: f64, timeout: u64, prefill_drain: u64) -> Budget {
        Budget::new(&Settings {
            grace: Duration::from_secs_f64(grace),
            timeout: Duration::from_secs(timeout),
            prefill_drain: Duration::from_secs(prefill_drain),
            ..Settings::default()
        })
    }

    fn seconds(value: f64) -> Duration {
        Duration::from_secs_f64(value)
    }

    #[test]
    fn section_5_shares() {
        // grace, timeout, deadline, work, cleanup
        let rows = [
            (5.0, 30, 35.0, 25.0, 5.0),
            (5.0, 5, 10.0, 2.5, 2.5),
            (0.0, 10, 10.0, 5.0, 5.0),
            (0.5, 11, 11.5, 6.0, 5.0),
            (3.0, 1, 4.0, 0.5, 0.5),
            (5.0, 0, 5.0, 0.0, 0.0),
            (86_400.0, 7, 86_407.0, 3.5, 3.5),
        ];
        for (grace, timeout, deadline, work, cleanup) in rows {
            let budget = budget(grace, timeout, 30);
            let found = (budget.deadline(), budget.work(), budget.cleanup());
            let wanted = (seconds(deadline), seconds(work), seconds(cleanup));
            assert_eq!(found, wanted, "grace {grace}, timeout {timeout}");
        }
    }

    #[test]
    fn section_5_a_late_stage_gets_what_is_left() {
        let budget = budget(5.0, 30, 30);
        // elapsed, unregister, wait, drain, quiescence
        let rows = [
            (0.0, 12.5, 27.5, 30.0, 30.0),
            (5.0, 10.0, 22.5, 25.0, 25.0),
            (20.0, 2.5, 7.5, 10.0, 10.0),
            (28.0, 0.0, 0.0, 2.0, 2.0),
            (40.0, 0.0, 0.0, 0.0, 0.0),
        ];
        for (elapsed, unregister, wait, drain, quiescence) in rows {
            let at = seconds(elapsed);
            let found = (
                budget.unregister(at),
                budget.wait(at),
                budget.drain(at),
                budget.quiescence(at),
            );
            let wanted = (
                seconds(unregister),
                seconds(wait),
                seconds(drain),
                seconds(quiescence),
            );
            assert_eq!(found, wanted, "{elapsed} s into the shutdown");
        }
    }

    #[test]
    fn section_5_quiescence_is_polled_for_its_own_budget_at_most() {
        assert_eq!(budget(5.0, 30, 3).quiescence(seconds(5.0)), seconds(3.0));
        assert_eq!(budget(5.0, 30, 0).quiescence(seconds(5.0)), Duration::ZERO);
    }

    #[test]
    fn the_example_in_the_documentation_is_this_arithmetic() {
        let page = include_str!("../../../../docs/operations.md");
        let example = page.split("An example:").nth(1).unwrap();
        let rows = example.lines().filter_map(|line| line.strip_prefix("| "));
        let moments: Vec<f64> = rows
            .filter_map(|row| row.split(" s |").next()?.parse().ok())
            .take(6)
            .collect();
        let budget = budget(5.0, 100, 30);
        let wait = budget.wait(budget.grace());
        let work = budget.grace() + budget.work();
        let grace = budget.grace();
        let wanted = [
            Duration::ZERO,
            grace,
            grace + wait / 2,
            grace + wait,
            work,
            budget.deadline(),
        ];
        // The page has one digit behind the point.
        let shown = wanted.map(|moment| (moment.as_secs_f64() * 10.0).round() / 10.0);
        assert_eq!(moments, shown);
        for told in [
            format!(
                "waiting has {} s, of the {} s",
                wait.as_secs_f64(),
                budget.work().as_secs()
            ),
            format!(
                "the {} s that are kept for it",
                (work - grace - wait).as_secs_f64()
            ),
            format!(
                "within {:.0} s of the end of the grace",
                wait.as_secs_f64().floor()
            ),
        ] {
            assert!(example.contains(&told), "the page does not say: {told}");
        }
    }

    proptest! {
        #[test]
        fn section_5_shares_fit_into_the_deadline(
            grace in 0.0..=86_400.0f64,
            timeout in prop_oneof![0u64..100, any::<u64>()],
            elapsed in prop_oneof![0u64..200, any::<u64>()],
        ) {
            let budget = budget(grace, timeout, 30);
            let elapsed = Duration::from_secs(elapsed);
            let timeout = Duration::from_secs(timeout);

            prop_assert!(budget.work() >= timeout / 2);
            prop_assert!(budget.work().saturating_add(budget.cleanup()) == timeout);
            prop_assert!(budget.cleanup() <= CLEANUP_RESERVE);
            prop_assert!(budget.deadline() >= timeout);

            prop_assert!(budget.wait(elapsed) <= budget.drain(elapsed));
            prop_assert!(budget.quiescence(elapsed) <= budget.drain(elapsed));
            // So do a step that uses all it may, unregistering that does too, and the grace.
            let step = budget.finish();
            let after = step
                .saturating_add(budget.unregister(step))
                .saturating_add(budget.grace());
            prop_assert!(budget.drain(after) >= budget.unregister(step));
            // An unregister that uses all it may, then the grace, leaves as much to the requests.
            let after = elapsed
                .saturating_add(budget.unregister(elapsed))
                .saturating_add(budget.grace());
            prop_assert!(budget.drain(after) >= budget.unregister(elapsed));
            // Whoever stops when told to leaves cleanup its share.
            if elapsed <= budget.grace().saturating_add(budget.work()) {
                let ends = elapsed.saturating_add(budget.drain(elapsed));
                prop_assert!(ends.saturating_add(budget.cleanup()) <= budget.deadline());
            }
        }
    }
}
