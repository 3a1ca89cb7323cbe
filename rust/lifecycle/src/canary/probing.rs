//! When the engine is probed, and what is known of its health.
//!
//! An engine shows that it is well by answering a request to its end, a probe or traffic alike; a
//! first token shows nothing. Where it has shown nothing for a while it is probed. A probe that is
//! not answered in time is given up, and is the last one until the engine has let go of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The least pause after a failure: without one, an engine that fails at once would be asked again
/// and again without a breath in between.
const BREATH: Duration = Duration::from_secs(1);

/// The engine, as the prober sees it.
#[async_trait]
pub trait Probed: Send + Sync {
    /// Resolves when the engine may be probed.
    async fn awake(&self);
    /// Resolves when the engine must be left alone.
    async fn asleep(&self);
    /// Sends one probe, and returns when the engine has let go of it: `Ok` where its terminal chunk
    /// came, an error that says why it did not. When `give_up` flips nobody wants the answer.
    async fn probe(&self, give_up: &CancellationToken) -> Result<(), String>;
}

/// How often an engine is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// For how long nothing was answered before a probe.
    pub wait: Duration,
    /// How long a probe may take.
    pub timeout: Duration,
}

/// What an engine has shown of its health. Written by whoever serves its requests, and by the
/// prober.
///
/// ```
/// use dynamo_backend_lifecycle::canary::Vitals;
///
/// let vitals = Vitals::new();
/// assert!(!vitals.is_well(), "it has shown nothing yet");
/// vitals.answered();
/// assert!(vitals.is_well());
/// vitals.failed();
/// assert!(!vitals.is_well());
/// ```
#[derive(Debug)]
pub struct Vitals {
    began: Instant,
    /// Nanoseconds since it began; 0: never.
    last_answered: AtomicU64,
    last_failed: AtomicU64,
}

impl Default for Vitals {
    fn default() -> Self {
        Self::new()
    }
}

impl Vitals {
    /// Of an engine that has shown nothing yet.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            last_answered: AtomicU64::new(0),
            last_failed: AtomicU64::new(0),
        }
    }

    /// A request was answered to its end, and well.
    pub fn answered(&self) {
        self.last_answered.store(self.now(), Ordering::Relaxed);
    }

    /// A probe failed.
    pub fn failed(&self) {
        self.last_failed.store(self.now(), Ordering::Relaxed);
    }

    /// Whether the last that the engine has shown was an answer.
    pub fn is_well(&self) -> bool {
        self.last_answered.load(Ordering::Relaxed) > self.last_failed.load(Ordering::Relaxed)
    }

    /// Resolves when the engine has shown nothing for `wait`.
    async fn silence(&self, wait: Duration) {
        loop {
            let answered = self.last_answered.load(Ordering::Relaxed);
            let failed = self.last_failed.load(Ordering::Relaxed);
            let shown = Duration::from_nanos(answered.max(failed));
            let pause = if failed > answered {
                wait.max(BREATH)
            } else {
                wait
            };
            let due = self.began + shown + pause;
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }

    /// Nanoseconds since it began, and never zero.
    fn now(&self) -> u64 {
        let nanos = self.began.elapsed().as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX).max(1)
    }
}

/// Probes the engine wherever it has shown nothing for long, one probe at a time. Ends by being
/// dropped.
pub async fn keep_probing(engine: &impl Probed, vitals: &Vitals, times: Times) {
    loop {
        engine.awake().await;
        tokio::select! {
            biased;
            () = engine.asleep() => {}
            () = vitals.silence(times.wait) => probe(engine, vitals, times).await,
        }
    }
}

async fn probe(engine: &impl Probed, vitals: &Vitals, times: Times) {
    let was_well = vitals.is_well();
    let began = vitals.now();
    let give_up = CancellationToken::new();
    let mut probe = engine.probe(&give_up);
    let answer = tokio::select! {
        biased;
        answer = timeout(times.timeout, &mut probe) => Some(answer),
        () = engine.asleep() => None,
    };
    match answer {
        Some(Ok(Ok(()))) => {
            if !was_well {
                info!("the engine answers the health canary");
            }
            return vitals.answered();
        }
        Some(Ok(Err(why))) => {
            warn!("the engine failed the health canary's probe: {why}");
            return vitals.failed();
        }
        // Traffic that was answered meanwhile says more.
        Some(Err(_)) if vitals.last_answered.load(Ordering::Relaxed) <= began => {
            warn!(
                "the engine did not answer the health canary's probe within {:?}; it is probed \
                 again when it has let go of that one",
                times.timeout
            );
            vitals.failed();
        }
        Some(Err(_)) | None => {}
    }
    give_up.cancel();
    loop {
        tokio::select! {
            biased;
            _ = &mut probe => return,
            // Another one is due, and cannot be sent.
            () = vitals.silence(times.wait.max(BREATH)) => vitals.failed(),
        }
    }
}

#[cfg(test)]
mod tests;
