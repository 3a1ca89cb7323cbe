//! Keeps a panic of the host's, or of what it calls, in the step that it happened in: one that
//! unwound the run would cost the engine its cleanup.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::host::Host;

/// `work`, where a panic is an error of the host's that begins with `what`.
pub(crate) async fn caught<H: Host, T>(
    host: &H,
    what: &str,
    work: impl Future<Output = Result<T, H::Error>>,
) -> Result<T, H::Error> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))).unwrap_or_else(|panic| {
            Poll::Ready(Err(
                host.panicked(format!("{what} panicked: {}", message(&*panic)))
            ))
        })
    })
    .await
}

/// What was panicked with.
fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
