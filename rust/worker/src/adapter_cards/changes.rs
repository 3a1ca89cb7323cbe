//! What one update of the engine's has done to the cards of its adapters, so that it can be undone.

use std::future::Future;
use std::sync::Arc;

use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;

use crate::error::unknown;

tokio::task_local! {
    static CURRENT: CardChanges;
}

/// One change, by the adapter's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Published(String),
    Withdrawn(String),
}

impl Change {
    /// The adapter's name.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Published(name) | Self::Withdrawn(name) => name,
        }
    }
}

/// The changes of one update, in their order. Whatever is done within its [`scope`](Self::scope)
/// belongs to it.
#[derive(Clone)]
pub struct CardChanges(Arc<Mutex<State>>);

enum State {
    Open(Vec<Change>),
    /// The update has succeeded: what comes later stays, too.
    Kept,
    Undone,
}

impl Default for CardChanges {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State::Open(Vec::new()))))
    }
}

impl CardChanges {
    /// Those of the update that the present task of tokio's is part of. Another task that an engine
    /// starts is not, unless it takes this along into its own [`scope`](Self::scope).
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Does `work` as a part of the update.
    pub async fn scope<W: Future>(self, work: W) -> W::Output {
        CURRENT.scope(self, work).await
    }

    /// Does `work` as a part of `update`, where there is one.
    pub async fn part_of<W: Future>(update: Option<Self>, work: W) -> W::Output {
        match update {
            Some(changes) => changes.scope(work).await,
            None => work.await,
        }
    }

    /// # Errors
    ///
    /// The update has failed, and what it had done is undone.
    pub(super) fn check(&self) -> Result<(), DynamoError> {
        match *self.0.lock() {
            State::Open(_) | State::Kept => Ok(()),
            State::Undone => Err(unknown(
                "the update that this belongs to has failed, and what it did is undone",
            )),
        }
    }

    pub(super) fn note(&self, change: Change) {
        if let State::Open(changes) = &mut *self.0.lock() {
            changes.push(change);
        }
    }

    /// Ends the update as one that failed: what was changed, the last first.
    pub(super) fn take(&self) -> Vec<Change> {
        match std::mem::replace(&mut *self.0.lock(), State::Undone) {
            State::Open(mut changes) => {
                changes.reverse();
                changes
            }
            State::Kept | State::Undone => Vec::new(),
        }
    }

    /// Ends the update as one that succeeded. A task that it started may go on for as long as the
    /// worker.
    pub(crate) fn keep(&self) {
        *self.0.lock() = State::Kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_an_update_that_succeeded_is_not_gathered() {
        let changes = CardChanges::default();
        changes.keep();
        changes.note(Change::Published("a".to_owned()));
        assert!(changes.check().is_ok());
        assert!(changes.take().is_empty());
        assert!(changes.check().is_err());
    }
}
