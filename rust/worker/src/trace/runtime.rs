//! The spans of the runtime's own exporter: they leave on its schedule only, so the last ones are
//! waited for.
//!
//! The runtime keeps its exporter to itself, and never flushes it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dynamo_backend_environment::OTEL_BSP_SCHEDULE_DELAY;

/// Where the operator chose none: the end of a process waits that long at most.
const OURS: Duration = Duration::from_secs(1);
/// For the runtime's span to end after ours, and for the sending.
const MARGIN: Duration = Duration::from_millis(300);

/// Since when the runtime exports, and how often.
static EXPORTING: OnceLock<(Instant, Duration)> = OnceLock::new();
/// When the last traced request ended, in milliseconds since then; 0: there was none.
static LAST_END: AtomicU64 = AtomicU64::new(0);

/// The runtime makes its exporter next. Writes to the environment.
pub(crate) fn begins() {
    let chosen = OTEL_BSP_SCHEDULE_DELAY.text().unwrap_or_default();
    if chosen.is_empty() {
        OTEL_BSP_SCHEDULE_DELAY.set(&OURS.as_millis().to_string());
    }
    let delay = match chosen.parse() {
        Ok(milliseconds) => Duration::from_millis(milliseconds),
        // What is no number is the default of the exporter, of 5 s.
        Err(_) if chosen.is_empty() => OURS,
        Err(_) => Duration::from_secs(5),
    };
    EXPORTING.get_or_init(|| (Instant::now(), delay));
}

/// A traced request ended.
pub(super) fn request_ended() {
    if let Some((since, _)) = EXPORTING.get() {
        let at = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        LAST_END.fetch_max(at.max(1), Ordering::Relaxed);
    }
}

/// Until the exporter has had its turn after the last request.
pub(super) fn left() -> Duration {
    let (Some((since, delay)), last) = (EXPORTING.get(), LAST_END.load(Ordering::Relaxed)) else {
        return Duration::ZERO;
    };
    if last == 0 {
        return Duration::ZERO;
    }
    (Duration::from_millis(last) + *delay + MARGIN).saturating_sub(since.elapsed())
}
