//! Whether a prefill engine that is out of discovery still hands over KV cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dynamo_backend_lifecycle::controls::Presence;
use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;

use crate::admission::Admission;
use crate::discovery::Readiness;
use crate::engine::LLMEngine;

const INTERVAL: Duration = Duration::from_millis(500);

/// What the engine said last; asked while the worker is out of discovery and nothing is in flight.
#[derive(Default)]
pub(super) struct Quiescence {
    watch: Mutex<Option<Watch>>,
}

struct Watch {
    said: Arc<Said>,
    _task: AbortOnDropHandle<()>,
}

/// How many requests had finished when the engine said that nothing is left; what it says does not
/// hold for those that come later.
struct Said(AtomicU64);

const NOTHING: u64 = u64::MAX;

impl Quiescence {
    /// Whether the engine says that nothing is left.
    pub(super) fn is_told(&self, admission: &Admission) -> bool {
        let watch = self.watch.lock();
        watch.as_ref().is_some_and(|watch| {
            admission.in_flight() == 0
                && watch.said.0.load(Ordering::Acquire) == admission.finished()
        })
    }

    /// Asks from now on, until the worker is wanted again or shuts down.
    pub(super) fn watch(
        &self,
        engine: Arc<dyn LLMEngine>,
        readiness: Arc<Readiness>,
        admission: Admission,
    ) {
        let said = Arc::new(Said(AtomicU64::new(NOTHING)));
        let asking = ask(said.clone(), engine, readiness, admission);
        *self.watch.lock() = Some(Watch {
            said,
            _task: AbortOnDropHandle::new(tokio::spawn(asking)),
        });
    }
}

async fn ask(
    said: Arc<Said>,
    engine: Arc<dyn LLMEngine>,
    readiness: Arc<Readiness>,
    admission: Admission,
) {
    let asking = async {
        loop {
            admission.idle().await;
            let finished = admission.finished();
            // What it fails with is in its log; until it answers it is not quiescent.
            let is_quiescent = matches!(engine.is_quiescent().await, Ok(Some(true)));
            let said_now = if is_quiescent { finished } else { NOTHING };
            said.0.store(said_now, Ordering::Release);
            tokio::time::sleep(INTERVAL).await;
        }
    };
    let is_back = |presence: &Presence| presence.is_wanted() || presence.is_closed();
    tokio::select! {
        biased;
        () = readiness.until(is_back) => said.0.store(NOTHING, Ordering::Release),
        () = asking => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use async_trait::async_trait;
    use dynamo_backend_lifecycle::controls::Out;
    use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
    use dynamo_runtime::error::DynamoError;

    use super::*;
    use crate::engine::{EngineStream, RequestContext};
    use crate::engine_config::EngineConfig;
    use crate::error::unknown;

    struct Prefill(AtomicBool);

    #[async_trait]
    impl LLMEngine for Prefill {
        async fn start(&self, _: u64) -> Result<EngineConfig, DynamoError> {
            Ok(EngineConfig::new("prefill"))
        }
        async fn generate(
            &self,
            _: PreprocessedRequest,
            _: RequestContext,
        ) -> Result<EngineStream, DynamoError> {
            Err(unknown("nobody asks"))
        }
        async fn is_quiescent(&self) -> Result<Option<bool>, DynamoError> {
            Ok(Some(self.0.load(Ordering::Relaxed)))
        }
        async fn cleanup(&self) -> Result<(), DynamoError> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_engine_said_holds_until_a_request_comes_or_the_worker_is_back() {
        let engine = Arc::new(Prefill(AtomicBool::new(true)));
        let (readiness, admission) = (Arc::new(Readiness::default()), Admission::default());
        readiness.change(Presence::serving);
        readiness.change(|presence| presence.is_out(Out::Drained));
        let quiescence = Quiescence::default();
        let is_told = || quiescence.is_told(&admission);
        let watch = || quiescence.watch(engine.clone(), readiness.clone(), admission.clone());
        // Shorter than what lies between two askings.
        let moment = || tokio::time::sleep(INTERVAL / 10);
        assert!(!is_told());
        watch();
        moment().await;
        assert!(is_told());

        let late = admission.enter();
        assert!(!is_told());
        drop(late);
        assert!(!is_told(), "its cache may have to be handed over");
        tokio::time::sleep(INTERVAL).await;
        assert!(is_told());

        engine.0.store(false, Ordering::Relaxed);
        watch();
        assert!(!is_told(), "asked anew");
        moment().await;
        assert!(!is_told());

        engine.0.store(true, Ordering::Relaxed);
        tokio::time::sleep(INTERVAL).await;
        assert!(is_told());
        readiness.change(|presence| presence.back(Out::Drained));
        moment().await;
        assert!(!is_told());
    }
}
