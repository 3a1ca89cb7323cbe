//! What a check is.

use futures::future::LocalBoxFuture;

use super::finding::{Found, Unmet};
use super::life::Life;
use super::results::{CheckResult, Outcome};

/// One rule of the contract between a worker and its engine.
pub(super) struct Check {
    pub(super) name: &'static str,
    /// What an engine does.
    pub(super) rule: &'static str,
    /// What to do where it does not.
    pub(super) mend: &'static str,
    pub(super) run: for<'a> fn(&'a mut Life) -> LocalBoxFuture<'a, Found>,
}

impl Check {
    pub(super) fn result(&self, found: Found) -> CheckResult {
        let (outcome, found) = match found {
            Ok(()) => (Outcome::Passed, String::new()),
            Err(Unmet::Skipped(why)) => (Outcome::Skipped, why),
            Err(Unmet::Problem(what)) => (Outcome::Failed, what),
        };
        CheckResult {
            name: self.name,
            outcome,
            rule: self.rule,
            found,
            mend: self.mend,
        }
    }
}
