//! The deadline with every tokio thread blocked, in a process of its own: it ends it.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;

use crate::config::WorkerConfig;
use crate::engine::{EngineStream, LLMEngine, RequestContext};
use crate::engine_config::EngineConfig;
use crate::error::unknown;
use crate::process::{Scope, prepare_environment};
use crate::state::WorkerState;
use crate::worker::Worker;

const WHERE: &str = "BLOCKED_IN";

#[test]
fn section_12_3_the_deadline_holds_with_every_tokio_thread_blocked() {
    for hook in ["start", "cleanup"] {
        let inside = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker::tests::blocked::inside"])
            .args(["--include-ignored", "--nocapture"])
            .env(WHERE, hook)
            .env("DYN_DISCOVERY_BACKEND", "mem")
            .env("DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT", "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&inside.stderr);
        assert_eq!(inside.status.code(), Some(143), "{hook}: {told}");
        assert!(told.contains("code 911"), "{hook}: {told}");
    }
}

/// Blocks the runtime's only thread in the hook that the environment names, where SIGTERM comes.
#[test]
#[ignore = "it ends its process: what the test above runs"]
fn inside() {
    let hook = std::env::var(WHERE).unwrap();
    let config = WorkerConfig::default();
    prepare_environment(&config, Scope::Process);
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let worker = Worker::new(Arc::new(Blocks { hook: hook.clone() }), config).on_state(Arc::new(
        move |state| {
            if hook == "cleanup" && state == WorkerState::Serving {
                terminate();
            }
        },
    ));
    tokio.spawn(worker.run_alone());
    std::thread::sleep(Duration::from_secs(60));
}

struct Blocks {
    hook: String,
}

impl Blocks {
    fn block(&self, hook: &str) {
        if self.hook == hook {
            std::thread::sleep(Duration::from_secs(600));
        }
    }
}

#[async_trait]
impl LLMEngine for Blocks {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        if self.hook == "start" {
            terminate();
        }
        self.block("start");
        Ok(EngineConfig::new("blocks"))
    }

    async fn generate(
        &self,
        _request: PreprocessedRequest,
        _context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        Err(unknown("nobody asks"))
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        self.block("cleanup");
        Ok(())
    }
}

fn terminate() {
    // SAFETY: takes numbers only. The signal is the process's own.
    unsafe { libc::kill(libc::getpid(), libc::SIGTERM) };
}
