//! Connecting, tried again with a growing pause until it succeeds or its time is up.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::host::Host;

/// The pause after the first failure; each further one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Connects, for `limit` at most, counted from the first attempt; zero is one attempt without a
/// limit of its own.
///
/// Pauses shrink towards the limit, so that the last attempt begins shortly before it. An error
/// that is not worth retrying stays as it is, and so does that of an only attempt; else the error
/// is the host's [`gave_up`](Host::gave_up).
pub(super) async fn connect<H: Host>(host: &H, limit: Duration) -> Result<H::Connected, H::Error> {
    if limit.is_zero() {
        return host.connect().await;
    }
    let since = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut attempt = 0;
    let mut last = None;
    loop {
        attempt += 1;
        let left = limit.saturating_sub(since.elapsed());
        let error = match timeout(left, host.connect()).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => error,
            Err(_) => {
                let hung = hung(limit, attempt, last.as_deref());
                return Err(host.gave_up(hung));
            }
        };
        if !host.is_worth_retrying(&error) {
            return Err(error);
        }
        let half_left = limit.saturating_sub(since.elapsed()) / 2;
        if half_left < FIRST_PAUSE {
            if attempt == 1 {
                return Err(error);
            }
            let failed = failed(since.elapsed(), attempt, &error);
            return Err(host.gave_up(failed));
        }
        let next = pause.min(half_left);
        let text = error.to_string();
        drop(error);
        host.connect_failed(attempt, next, &text);
        last = Some(text);
        sleep(next).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The message of an attempt that the limit ended.
fn hung(limit: Duration, attempts: u32, last: Option<&str>) -> String {
    let before = match last {
        Some(error) => format!("the one before failed: {error}"),
        None => "it was the first".to_owned(),
    };
    format!("gave up after {limit:?}, in attempt {attempts}, which had no answer yet; {before}")
}

/// The message of attempts that all failed.
fn failed(took: Duration, attempts: u32, error: impl Display) -> String {
    format!("gave up after {took:.1?} and {attempts} attempts; the last failed: {error}")
}

#[cfg(test)]
mod tests;
