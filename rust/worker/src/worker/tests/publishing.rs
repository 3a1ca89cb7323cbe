//! Publishers of KV events over a run: from an engine's own threads, and after it.

use std::sync::Arc;
use std::thread;

use async_trait::async_trait;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;

use crate::config::WorkerConfig;
use crate::engine::{EngineStream, LLMEngine, RequestContext};
use crate::engine_config::EngineConfig;
use crate::error::{BackendError, kind, unknown};
use crate::process::{Scope, prepare_environment};
use crate::publish::{KvEventSource, KvPublisher, StoredBlock};
use crate::shutdown::Shutdown;
use crate::state::WorkerState;
use crate::worker::Worker;

/// Publishes from a thread of its own as soon as it can, and keeps its publisher.
#[derive(Default)]
struct Threaded {
    kept: Arc<Mutex<Option<KvPublisher>>>,
    open_in_cleanup: Arc<Mutex<Option<bool>>>,
}

#[async_trait]
impl LLMEngine for Threaded {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig {
            kv_cache_block_size: Some(2),
            data_parallel_start_rank: Some(3),
            ..EngineConfig::new("threaded")
        })
    }

    async fn generate(
        &self,
        _request: PreprocessedRequest,
        _context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        Err(unknown("nobody asks"))
    }

    async fn kv_event_sources(&self) -> Result<Vec<KvEventSource>, DynamoError> {
        let kept = self.kept.clone();
        Ok(vec![KvEventSource::push(3, move |publisher| {
            *kept.lock() = Some(publisher.clone());
            thread::spawn(move || publish(&publisher)).join().unwrap();
        })])
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        *self.open_in_cleanup.lock() = self.kept.lock().as_ref().map(KvPublisher::is_open);
        Ok(())
    }
}

/// What was accepted stays accepted, and what was refused, refused.
fn publish(publisher: &KvPublisher) {
    assert_eq!((publisher.dp_rank(), publisher.block_size()), (3, 2));
    let block = |block_hash, token_ids: &[u32]| StoredBlock {
        block_hash,
        token_ids: token_ids.to_vec(),
    };
    publisher
        .publish_stored(None, vec![block(1, &[1, 2]), block(2, &[3, 4])])
        .unwrap();
    let error = publisher
        .publish_stored(Some(2), vec![block(3, &[5, 6]), block(4, &[7])])
        .unwrap_err();
    assert_eq!(kind(&error), BackendError::InvalidArgument);
    publisher.publish_removed(vec![1, 2]);
    publisher.publish_cleared();
}

#[test]
fn section_5_a_publisher_is_open_in_cleanup_and_does_nothing_after_the_run() {
    let engine = Threaded::default();
    let (kept, open_in_cleanup) = (engine.kept.clone(), engine.open_in_cleanup.clone());
    let mut config = WorkerConfig::default();
    config.runtime.discovery_backend = Some("mem".into());
    prepare_environment(&config, Scope::Process);
    let shutdown = Shutdown::default();
    let asked = shutdown.clone();
    let worker = Worker::new(Arc::new(engine), config)
        .with_shutdown(shutdown)
        .on_state(Arc::new(move |state| {
            if state == WorkerState::Serving {
                asked.ask();
            }
        }));
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio.block_on(worker.run_alone()).unwrap();
    assert_eq!(*open_in_cleanup.lock(), Some(true));
    let kept = kept.lock().take().unwrap();
    assert!(!kept.is_open());
    publish(&kept);
}
