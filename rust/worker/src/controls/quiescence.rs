//! Whether a prefill engine that is out of discovery still hands over KV cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dynamo_backend_lifecycle::controls::Presence;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::Surroundings;
use crate::admission::Admission;
use crate::engine::LLMEngine;
use crate::health::Readiness;

const INTERVAL: Duration = Duration::from_millis(500);

/// What the engine said last; asked while the worker is out of discovery and nothing is in flight.
pub(super) struct Quiescence {
    told: Arc<AtomicBool>,
    watching: Mutex<Option<AbortHandle>>,
}

impl Quiescence {
    pub(super) fn new() -> Self {
        Self {
            told: Arc::default(),
            watching: Mutex::default(),
        }
    }

    /// Whether the engine says that nothing is left.
    pub(super) fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }

    /// Asks from now on, until the worker is wanted again or shuts down.
    pub(super) fn watch(&self, around: &Surroundings) {
        let watch = watch(
            self.told.clone(),
            around.engine.clone(),
            around.readiness.clone(),
            around.admission.clone(),
        );
        let before = self
            .watching
            .lock()
            .replace(tokio::spawn(watch).abort_handle());
        if let Some(before) = before {
            before.abort();
        }
    }
}

async fn watch(
    told: Arc<AtomicBool>,
    engine: Arc<dyn LLMEngine>,
    readiness: Arc<Readiness>,
    admission: Admission,
) {
    let is_out = |presence: &Presence| !presence.is_wanted() && !presence.is_closed();
    while is_out(&readiness.presence()) {
        let asked = async {
            admission.idle().await;
            // What it fails with is in its log; until it answers it is not quiescent.
            matches!(engine.is_quiescent().await, Ok(Some(true))) && admission.in_flight() == 0
        };
        let is_quiescent = tokio::select! {
            biased;
            () = readiness.until(|presence| !is_out(presence)) => false,
            is_quiescent = asked => is_quiescent,
        };
        told.store(is_quiescent, Ordering::Release);
        tokio::time::sleep(INTERVAL).await;
    }
    told.store(false, Ordering::Release);
}
