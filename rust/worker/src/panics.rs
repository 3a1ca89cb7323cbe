//! Panics of what the worker calls, as errors.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use dynamo_runtime::error::DynamoError;
use futures::FutureExt;

use crate::error::unknown;

/// What `work` answers, or the error of its panic.
pub(crate) async fn caught<T>(
    engine: &str,
    hook: &str,
    work: impl Future<Output = Result<T, DynamoError>>,
) -> Result<T, DynamoError> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(panicked(engine, hook, &*panic)))
}

/// The error of a hook or stream that panicked; the panic itself was printed where it happened.
pub(crate) fn panicked(engine: &str, hook: &str, panic: &(dyn Any + Send)) -> DynamoError {
    let message = format!("{engine}.{hook} panicked: {}", panic_message(panic));
    tracing::error!("{message}");
    unknown(message)
}

/// What was panicked with.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}
