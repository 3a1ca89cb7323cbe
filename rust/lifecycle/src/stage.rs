//! The stages of a shutdown, in their order.

use std::fmt;

/// One stage of a shutdown.
///
/// They are ordered as they run: `Stage::Unregister < Stage::Release`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The instance goes out of discovery; before serving: what was published is withdrawn.
    Unregister,
    /// Routers get time to see that it is gone.
    Grace,
    /// Requests in flight finish, and are cut where time runs out.
    Wait,
    /// The engine drains, and on a prefill worker says that it is quiescent.
    Drain,
    /// The engine cleans up.
    Cleanup,
    /// The publishers are dropped.
    Release,
}

impl Stage {
    /// Every stage, in the order in which they run.
    pub const ALL: [Stage; 6] = [
        Stage::Unregister,
        Stage::Grace,
        Stage::Wait,
        Stage::Drain,
        Stage::Cleanup,
        Stage::Release,
    ];

    /// The stage's name in logs and reports.
    ///
    /// ```
    /// use dynamo_backend_lifecycle::Stage;
    ///
    /// let names = Stage::ALL.map(Stage::name);
    /// assert_eq!(names, ["unregister", "grace", "wait", "drain", "cleanup", "release"]);
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Stage::Unregister => "unregister",
            Stage::Grace => "grace",
            Stage::Wait => "wait",
            Stage::Drain => "drain",
            Stage::Cleanup => "cleanup",
            Stage::Release => "release",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_5_stages_are_ordered_as_they_run() {
        assert!(Stage::ALL.is_sorted());
        assert!(Stage::Unregister < Stage::Cleanup && Stage::Cleanup < Stage::Release);
    }
}
