//! A runtime that somebody else shuts down, in a process of its own, whose environment it sets.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dynamo_backend_lifecycle::Reason;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::Runtime;
use dynamo_runtime::error::DynamoError;

use crate::config::WorkerConfig;
use crate::engine::{EngineStream, LLMEngine, RequestContext};
use crate::engine_config::EngineConfig;
use crate::error::unknown;
use crate::process::{Scope, build_tokio_runtime, prepare_environment};
use crate::state::WorkerState;
use crate::worker::Worker;

#[test]
fn section_4_8_a_runtime_that_is_shut_down_from_outside_waits_for_cleanup() {
    let inside = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker::tests::from_outside::inside"])
        .args(["--include-ignored", "--nocapture"])
        .env("DYN_DISCOVERY_BACKEND", "mem")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&inside.stdout);
    assert!(inside.status.success(), "{told}");
}

#[test]
#[ignore = "it sets the environment of its process: what the test above runs"]
fn inside() {
    let config = WorkerConfig::default();
    prepare_environment(&config, Scope::Process);
    build_tokio_runtime().unwrap().block_on(async {
        let runtime = Runtime::from_current().unwrap();
        let engine = Arc::new(Cleaning {
            runtime: runtime.clone(),
            undisturbed: AtomicBool::new(false),
        });
        let outside = runtime.clone();
        let worker = Worker::new(engine.clone(), config).on_state(Arc::new(move |state| {
            if state == WorkerState::Serving {
                outside.shutdown();
            }
        }));
        let report = worker.run(runtime).await.unwrap();
        assert_eq!(report.reason, Reason::Ended);
        assert!(engine.undisturbed.load(Ordering::Acquire));
    });
}

/// Looks in its cleanup, which takes a while, whether the runtime is still there.
struct Cleaning {
    runtime: Runtime,
    undisturbed: AtomicBool,
}

#[async_trait]
impl LLMEngine for Cleaning {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig::new("cleaning"))
    }

    async fn generate(
        &self,
        _request: PreprocessedRequest,
        _context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        Err(unknown("nobody asks"))
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        let gone = self.runtime.primary_token();
        let taken = tokio::time::timeout(Duration::from_millis(500), gone.cancelled()).await;
        self.undisturbed.store(taken.is_err(), Ordering::Release);
        Ok(())
    }
}
