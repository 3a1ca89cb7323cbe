//! A request's first token, and who waits for it.

use std::fmt;

use dynamo_llm::first_token::FirstTokenNotifier;
use tokio_util::sync::CancellationToken;

/// Cheap to clone: all clones speak of one token.
#[derive(Clone, Default)]
pub(super) struct FirstToken {
    /// Flips with the token, and where that is not waited for any longer.
    there: CancellationToken,
    /// Tells the router, once, that the prefill is over.
    router: Option<FirstTokenNotifier>,
}

impl FirstToken {
    /// Has the router told. Only before it is cloned.
    pub(super) fn tell(&mut self, router: Option<FirstTokenNotifier>) {
        self.router = router;
    }

    /// It is there.
    pub(super) fn notify(&self) {
        self.there.cancel();
        if let Some(router) = &self.router {
            router.notify();
        }
    }

    /// It is not waited for any longer.
    pub(super) fn give_up(&self) {
        self.there.cancel();
    }

    pub(super) fn is_waited_for(&self) -> bool {
        !self.there.is_cancelled()
    }

    /// Resolves when it is there, or not waited for any longer.
    pub(super) async fn come(&self) {
        self.there.cancelled().await
    }
}

impl fmt::Debug for FirstToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstToken")
            .field("is_waited_for", &self.is_waited_for())
            .finish_non_exhaustive()
    }
}
