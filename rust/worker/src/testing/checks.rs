//! The contract between a worker and its engine, rule by rule, in the order of a life. The names are
//! those of the Python package's checks, where both can say the same.

mod bad_requests;
mod cancellation;
mod hooks;
mod leftovers;
mod lifecycle;
mod streams;

use super::check::Check;

/// Of an engine that is made for it, before the one that is started.
pub(super) const BEFORE: &[Check] = &lifecycle::BEFORE;

/// Without which nothing else can be said.
pub(super) const START: Check = lifecycle::START;

/// Of an engine that has started, up to its drain.
pub(super) const SERVING: &[&[Check]] = &[
    &streams::CHECKS,
    &cancellation::CHECKS,
    &bad_requests::CHECKS,
    &hooks::CHECKS,
    &leftovers::SERVING,
    &lifecycle::SERVING,
];

/// Of one that was started, whether it could be or not.
pub(super) const AFTER: &[&[Check]] = &[&lifecycle::AFTER, &leftovers::AFTER];
