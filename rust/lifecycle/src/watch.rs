//! The watch over an engine that has started: it may say that it can serve no more.

use std::fmt::Display;
use std::future::{Future, pending, ready};
use std::pin::Pin;

use tracing::error;

use crate::host::Engine;

/// The engine's `watch`, from `start` to the end of the wait for its requests.
pub(crate) enum Watch<'a, E> {
    /// The engine lives, as far as it has said.
    On(Pin<Box<dyn Future<Output = E> + Send + 'a>>),
    /// It failed, which nobody has been told.
    Failed(E),
    /// It failed, and that is the run's error already.
    Told,
}

impl<'a, E: Send + 'a> Watch<'a, E> {
    /// Watches the engine from now on.
    pub(crate) fn begin(engine: &'a impl Engine<Error = E>) -> Self {
        Self::On(Box::pin(async {
            if let Err(error) = engine.watch().await {
                return error;
            }
            pending().await
        }))
    }
}

impl<E: Display> Watch<'_, E> {
    /// Resolves when the engine has failed; may be dropped and called again.
    pub(crate) async fn failure(&mut self) {
        if let Self::On(watch) = self {
            let error = watch.await;
            error!("the engine failed and can serve no more: {error}");
            *self = Self::Failed(error);
        }
    }

    /// Looks whether the engine has failed by now.
    pub(crate) async fn look(&mut self) {
        tokio::select! {
            biased;
            () = self.failure() => {}
            () = ready(()) => {}
        }
    }

    /// Whether the engine has failed, as far as was looked.
    pub(crate) fn has_failed(&self) -> bool {
        !matches!(self, Self::On(_))
    }

    /// What it failed with, once.
    pub(crate) fn tell(&mut self) -> Option<E> {
        if !matches!(self, Self::Failed(_)) {
            return None;
        }
        match std::mem::replace(self, Self::Told) {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}
