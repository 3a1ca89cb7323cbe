//! What the handlers of the server share.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::RwLock;

use super::member::Member;
use super::token::Token;
use super::warned::Warned;

/// The workers that run, in the order in which they began.
pub(super) type Members = Arc<RwLock<Vec<Arc<Member>>>>;

/// The paths of the probes, which the operator may choose.
#[derive(Clone)]
pub(super) struct Paths {
    pub(super) live: String,
    pub(super) health: String,
}

/// What the handlers share.
pub(super) struct Shared {
    pub(super) members: Members,
    pub(super) token: Option<Token>,
    pub(super) since: Instant,
    pub(super) warned: Warned,
    pub(super) paths: Paths,
}
