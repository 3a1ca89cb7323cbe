//! The prober with engines in Rust.

use std::sync::atomic::{AtomicUsize, Ordering};

use dynamo_backend_lifecycle::controls::Presence;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use futures::StreamExt;
use serde_json::json;
use tokio::time::sleep;

use super::*;
use crate::engine::{EngineStream, LLMEngine};
use crate::engine_config::EngineConfig;
use crate::guarded::Guarded;

const TIMES: Times = Times {
    wait: Duration::from_millis(1),
    timeout: Duration::from_millis(50),
};

#[derive(Clone, Copy)]
enum Stream {
    /// Its terminal chunk, and nothing after it.
    Ends,
    /// One token, and nothing after it.
    Hangs,
    Panics,
    ErrorInAChunk,
    NoTerminal,
}

struct Engine {
    stream: Stream,
    begun: AtomicUsize,
    aborted: AtomicUsize,
}

#[async_trait]
impl LLMEngine for Engine {
    async fn start(&self, _: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig::new("probed"))
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        _: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        assert!(crate::engine::is_probe(&request));
        self.begun.fetch_add(1, Ordering::Relaxed);
        let token = LLMEngineOutput {
            token_ids: vec![1],
            ..Default::default()
        };
        let error = LLMEngineOutput::error("inside a chunk".into());
        let chunks = match self.stream {
            Stream::Ends => vec![token, LLMEngineOutput::length()],
            Stream::Hangs => vec![token],
            Stream::NoTerminal => return Ok(futures::stream::iter([Ok(token)]).boxed()),
            Stream::ErrorInAChunk => vec![error],
            Stream::Panics => panic!("no stream"),
        };
        let chunks = futures::stream::iter(chunks).map(Ok);
        Ok(chunks.chain(futures::stream::pending()).boxed())
    }

    async fn abort(&self, _: RequestContext) {
        self.aborted.fetch_add(1, Ordering::Relaxed);
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}

fn engine(stream: Stream) -> Arc<Engine> {
    Arc::new(Engine {
        stream,
        begun: AtomicUsize::new(0),
        aborted: AtomicUsize::new(0),
    })
}

fn start(engine: &Arc<Engine>, vitals: &Arc<Vitals>) -> Prober {
    let readiness = Arc::new(Readiness::default());
    readiness.change(Presence::serving);
    let payload = json!({"token_ids": [1], "_HEALTH_CHECK": true});
    let guarded = Arc::new(Guarded::new(engine.clone()));
    Prober::start(guarded, payload, readiness, vitals.clone(), TIMES)
}

async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        sleep(Duration::from_millis(1)).await;
    }
}

/// Whether the engine is well after its first probe, and whether that was aborted.
async fn probed(stream: Stream) -> (bool, bool) {
    let (engine, vitals) = (engine(stream), Arc::default());
    let prober = start(&engine, &vitals);
    until(|| engine.begun.load(Ordering::Relaxed) == 2).await;
    drop(prober);
    (vitals.is_well(), engine.aborted.load(Ordering::Relaxed) > 0)
}

#[tokio::test]
async fn section_8_a_probe_passes_with_its_terminal_chunk_alone() {
    let found = tokio::join!(
        // What pends after the terminal chunk is dropped, as that of traffic.
        probed(Stream::Ends),
        probed(Stream::NoTerminal),
        probed(Stream::ErrorInAChunk),
        probed(Stream::Panics),
        probed(Stream::Hangs),
    );
    let failed = (false, false);
    assert_eq!(
        found,
        ((true, false), failed, failed, failed, (false, true))
    );
}

#[tokio::test]
async fn section_8_nothing_holds_the_engine_once_the_prober_is_dropped() {
    let (engine, vitals) = (engine(Stream::Hangs), Arc::default());
    let prober = start(&engine, &vitals);
    until(|| engine.begun.load(Ordering::Relaxed) == 1).await;
    drop(prober);
    until(|| Arc::strong_count(&engine) == 1 && Arc::strong_count(&vitals) == 1).await;
}
