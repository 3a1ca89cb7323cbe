//! The deadline of a shutdown, kept by a thread of the operating system.
//!
//! A tokio timer would not fire with every tokio thread blocked, and a hook of the interpreter not
//! with the GIL held. This thread needs neither.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dynamo_backend_environment::{
    DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS, DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT,
};
use dynamo_backend_lifecycle::Stage;

use crate::exit::exit_now;

/// Exit status of a process that outlived its deadline. A parent sees its low 8 bits, 143.
pub const DEADLINE_EXIT_CODE: i32 = 911;

/// Ends the process when it passes.
pub(crate) struct Deadline {
    after: Duration,
    phase: Mutex<Phase>,
    changed: Condvar,
    /// Number of the stage in `Stage::ALL`, from 1; 0 before the first.
    stage: AtomicUsize,
}

enum Phase {
    Idle,
    /// Until then; `None` where the clock cannot count that far, which never comes.
    Armed(Option<Instant>),
    CalledOff,
}

impl Deadline {
    /// A deadline that passes `after` it was armed. Its thread exists from here on, so that nothing
    /// can be missing when it is needed.
    pub(crate) fn new(after: Duration) -> io::Result<Arc<Self>> {
        let deadline = Arc::new(Self {
            after,
            phase: Mutex::new(Phase::Idle),
            changed: Condvar::new(),
            stage: AtomicUsize::new(0),
        });
        let kept = deadline.clone();
        std::thread::Builder::new()
            .name("dynamo-deadline".into())
            .spawn(move || kept.keep())?;
        Ok(deadline)
    }

    /// Starts the clock. Only the first call counts.
    pub(crate) fn arm(&self) {
        let mut phase = self.lock();
        if matches!(*phase, Phase::Idle) {
            *phase = Phase::Armed(Instant::now().checked_add(self.after));
            self.changed.notify_all();
        }
    }

    /// The process is the caller's again.
    pub(crate) fn call_off(&self) {
        *self.lock() = Phase::CalledOff;
        self.changed.notify_all();
    }

    /// Time until it passes: all of it before the clock starts.
    pub(crate) fn left(&self) -> Duration {
        match *self.lock() {
            Phase::Armed(Some(at)) => at.saturating_duration_since(Instant::now()),
            Phase::Idle | Phase::Armed(None) | Phase::CalledOff => self.after,
        }
    }

    /// Notes for the last words what the shutdown does now.
    pub(crate) fn entered(&self, stage: Stage) {
        self.stage.store(stage as usize + 1, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self) {
        let mut phase = self.lock();
        loop {
            phase = match *phase {
                Phase::CalledOff => return,
                Phase::Idle | Phase::Armed(None) => self
                    .changed
                    .wait(phase)
                    .unwrap_or_else(PoisonError::into_inner),
                Phase::Armed(Some(at)) => {
                    let Some(left) = at.checked_duration_since(Instant::now()) else {
                        exit_now(DEADLINE_EXIT_CODE, &self.last_words());
                    };
                    let waited = self.changed.wait_timeout(phase, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn last_words(&self) -> String {
        let stage = self.stage.load(Ordering::Relaxed).checked_sub(1);
        let during = match stage.and_then(|number| Stage::ALL.get(number)) {
            Some(stage) => format!("during or after its stage '{stage}'"),
            None => "before its first stage".to_owned(),
        };
        format!(
            "ERROR shutdown took longer than its deadline of {:.1} s \
             ({DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT} plus \
             {DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS}), {during}; ending the process with code {} \
             (a parent sees {}, as for a plain SIGTERM)",
            self.after.as_secs_f64(),
            DEADLINE_EXIT_CODE,
            DEADLINE_EXIT_CODE & 0xff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_name_deadline_variables_stage_and_both_codes() {
        let deadline = Deadline::new(Duration::from_secs(35)).unwrap();
        assert!(deadline.last_words().contains("before its first stage"));
        deadline.entered(Stage::Cleanup);
        let words = deadline.last_words();
        for part in [
            "35.0 s",
            "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT",
            "'cleanup'",
            "911",
            "143",
        ] {
            assert!(words.contains(part), "{words}");
        }
        deadline.call_off();
    }

    #[test]
    fn a_deadline_called_off_does_not_fire() {
        let deadline = Deadline::new(Duration::from_secs(3600)).unwrap();
        deadline.arm();
        assert!(deadline.left() <= Duration::from_secs(3600));
        deadline.call_off();
        deadline.arm();
        assert!(matches!(*deadline.lock(), Phase::CalledOff));
    }

    #[test]
    fn a_deadline_beyond_the_clock_never_comes() {
        let deadline = Deadline::new(Duration::MAX).unwrap();
        deadline.arm();
        assert!(matches!(*deadline.lock(), Phase::Armed(None)));
        deadline.call_off();
    }
}
