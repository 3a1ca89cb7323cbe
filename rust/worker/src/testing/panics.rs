//! Panics of an engine that is tested.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dynamo_runtime::error::DynamoError;
use futures::FutureExt;
use parking_lot::Mutex;

use crate::panics::panicked;

/// Remembers them; each becomes the error that it is in a worker.
#[derive(Clone)]
pub(super) struct Panics {
    engine: Arc<str>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Panics {
    pub(super) fn of(engine: impl Into<Arc<str>>) -> Self {
        Self {
            engine: engine.into(),
            seen: Arc::default(),
        }
    }

    /// What they said, in order.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }

    pub(super) fn caught<T>(&self, hook: &str, work: impl FnOnce() -> T) -> Result<T, DynamoError> {
        catch_unwind(AssertUnwindSafe(work)).map_err(|panic| self.note(hook, &*panic))
    }

    pub(super) async fn awaited<T>(
        &self,
        hook: &str,
        work: impl Future<Output = Result<T, DynamoError>>,
    ) -> Result<T, DynamoError> {
        AssertUnwindSafe(work)
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| Err(self.note(hook, &*panic)))
    }

    fn note(&self, hook: &str, panic: &(dyn Any + Send)) -> DynamoError {
        let error = panicked(&self.engine, hook, panic);
        self.seen.lock().push(error.message().to_owned());
        error
    }
}
