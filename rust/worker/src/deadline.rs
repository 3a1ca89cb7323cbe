//! The deadline of a shutdown, kept by a thread of the operating system.
//!
//! A tokio timer would not fire with every tokio thread blocked, and a hook of the interpreter not
//! with the GIL held. This thread needs neither.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::exit::exit_now;

/// Exit status of a process that outlived its deadline. A parent sees its low 8 bits, 143.
pub const DEADLINE_EXIT_CODE: i32 = 911;

/// Ends the process when it fires; dropping it calls it off.
#[derive(Default)]
pub(crate) struct Deadline {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    phase: Mutex<Phase>,
    changed: Condvar,
}

#[derive(Default, PartialEq)]
enum Phase {
    #[default]
    Idle,
    Armed,
    CalledOff,
}

impl Deadline {
    /// Starts the clock. Only the first call counts.
    pub(crate) fn arm(&self, after: Duration) {
        let mut phase = lock(&self.shared);
        if *phase != Phase::Idle {
            return;
        }
        *phase = Phase::Armed;
        drop(phase);
        let shared = self.shared.clone();
        let at = Instant::now().checked_add(after);
        let watch = move || watch(&shared, at, after);
        if let Err(error) = std::thread::Builder::new()
            .name("dynamo-deadline".into())
            .spawn(watch)
        {
            tracing::error!(%error, "no thread for the shutdown deadline: it will not be kept");
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        *lock(&self.shared) = Phase::CalledOff;
        self.shared.changed.notify_all();
    }
}

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Phase> {
    shared.phase.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `at` is `None` where the clock cannot count that far: such a deadline never comes.
fn watch(shared: &Shared, at: Option<Instant>, after: Duration) {
    let mut phase = lock(shared);
    while *phase == Phase::Armed {
        phase = match at {
            None => shared
                .changed
                .wait(phase)
                .unwrap_or_else(PoisonError::into_inner),
            Some(at) => {
                let Some(left) = at.checked_duration_since(Instant::now()) else {
                    exit_now(DEADLINE_EXIT_CODE, &last_words(after));
                };
                shared
                    .changed
                    .wait_timeout(phase, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
    }
}

fn last_words(after: Duration) -> String {
    format!(
        "ERROR shutdown took longer than its deadline of {:.1} s \
         (DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT plus \
         DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS); ending the process with code {} (a parent sees \
         {}, as for a plain SIGTERM)",
        after.as_secs_f64(),
        DEADLINE_EXIT_CODE,
        DEADLINE_EXIT_CODE & 0xff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_name_deadline_variables_and_both_codes() {
        let words = last_words(Duration::from_secs(35));
        for part in [
            "35.0 s",
            "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT",
            "911",
            "143",
        ] {
            assert!(words.contains(part), "{words}");
        }
    }

    #[test]
    fn a_deadline_called_off_does_not_fire() {
        let deadline = Deadline::default();
        deadline.arm(Duration::from_secs(3600));
        deadline.arm(Duration::ZERO);
        drop(deadline);
    }
}
