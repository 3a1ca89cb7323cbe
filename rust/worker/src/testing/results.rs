//! What the checks found of an engine, as its author gets it.

use std::fmt;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Failed,
    /// Nothing can be said of this engine.
    Skipped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        })
    }
}

/// What one check found of an engine. Its `Display` is a line, and for a failure what to do.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// Name of the check.
    pub name: &'static str,
    pub outcome: Outcome,
    /// What an engine does, by the contract.
    pub rule: &'static str,
    /// What was wrong, or why nothing could be said; empty where it passed.
    pub found: String,
    /// What to do where it failed.
    pub mend: &'static str,
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            outcome,
            rule,
            found,
            mend,
        } = self;
        write!(f, "{outcome:7} {name}")?;
        match outcome {
            Outcome::Passed => Ok(()),
            Outcome::Skipped => write!(f, ": {found}"),
            Outcome::Failed => {
                write!(f, ": {found}\n        rule: {rule}\n        mend: {mend}")
            }
        }
    }
}

/// What all checks found of an engine, in their order. Its `Display` is what is to be mended.
#[derive(Clone, Debug)]
#[must_use = "it has the failures; `assert_passed` panics with them"]
pub struct CheckResults {
    pub(super) engine: String,
    pub(super) results: Vec<CheckResult>,
}

impl CheckResults {
    pub fn iter(&self) -> impl Iterator<Item = &CheckResult> {
        self.results.iter()
    }

    /// Those of checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &CheckResult> {
        self.iter()
            .filter(|result| result.outcome == Outcome::Failed)
    }

    /// # Panics
    ///
    /// A check failed. The message has each that did, what is wrong, and how to mend it.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.failed().next().is_none(), "{self}");
    }
}

impl fmt::Display for CheckResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, all) = (self.failed().count(), self.results.len());
        write!(f, "{}: {failed} of {all} checks failed", self.engine)?;
        self.failed().try_for_each(|result| write!(f, "\n{result}"))
    }
}
