//! What a check finds wrong.

/// Why a check did not pass.
pub(super) enum Unmet {
    /// What is wrong, in words.
    Problem(String),
    /// Why nothing can be said of this engine.
    Skipped(String),
}

pub(super) type Found<T = ()> = Result<T, Unmet>;

pub(super) fn problem<T>(what: impl Into<String>) -> Found<T> {
    Err(Unmet::Problem(what.into()))
}

pub(super) fn skipped<T>(why: impl Into<String>) -> Found<T> {
    Err(Unmet::Skipped(why.into()))
}
