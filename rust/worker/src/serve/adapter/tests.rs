//! When a request that is stopped is told to the engine.

use std::sync::atomic::{AtomicBool, Ordering};

use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::engine::AsyncEngineContext;
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use serde_json::json;

use super::*;
use crate::engine::EngineStream;
use crate::engine_config::EngineConfig;
use crate::error::BackendError;
use crate::serve::told::{Chunk, Told};

const KEEP: Duration = Duration::from_secs(60);

struct Request {
    engine: Arc<Told>,
    chunks: UnboundedSender<Chunk>,
    aborts: UnboundedReceiver<()>,
    answer: Option<ManyOut<Annotated<LLMEngineOutput>>>,
}

impl Request {
    /// A request of which no token has come and that is stopped.
    async fn stopped(mode: DisaggregationMode) -> Self {
        let (engine, chunks, aborts) = Told::new();
        let admission = Admission::default();
        let adapter = EngineAdapter::new(engine.clone(), admission, mode, KEEP, None, None);
        let request = serde_json::from_value(json!({"token_ids": [1]})).unwrap();
        let request = SingleIn::new(request);
        let answer = adapter.generate(request).await.unwrap();
        answer.context().stop_generating();
        Self {
            engine,
            chunks,
            aborts,
            answer: Some(answer),
        }
    }

    /// Whether the engine was told, when all that can happen has happened.
    async fn is_aborted(&mut self) -> bool {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.aborts.try_recv().is_ok()
    }

    async fn yields(&mut self, token_ids: Vec<u32>) {
        let chunk = LLMEngineOutput {
            token_ids,
            ..Default::default()
        };
        self.chunks.unbounded_send(Ok(chunk)).unwrap();
        if let Some(answer) = &mut self.answer {
            answer.next().await.unwrap();
        }
    }
}

#[tokio::test]
async fn section_10_a_stopped_request_is_aborted_at_once() {
    for mode in [DisaggregationMode::Aggregated, DisaggregationMode::Prefill] {
        assert!(Request::stopped(mode).await.is_aborted().await);
    }
}

#[tokio::test]
async fn section_12_2_a_late_request_is_refused_as_by_a_worker_that_is_unavailable() {
    let admission = Admission::default();
    admission.close();
    let (engine, ..) = Told::new();
    let adapter = EngineAdapter::new(
        engine.clone(),
        admission,
        DisaggregationMode::default(),
        KEEP,
        None,
        None,
    );
    let request = serde_json::from_value(json!({"token_ids": [1]})).unwrap();
    let refused = adapter
        .generate(SingleIn::new(request))
        .await
        .err()
        .unwrap();
    let refused = refused.downcast_ref::<DynamoError>().unwrap();
    assert_eq!(refused.error_type(), ErrorClass::WorkerUnavailable);
    assert!(engine.context().is_none());
}

#[tokio::test]
async fn section_10_a_decode_is_aborted_after_its_first_token() {
    let mut request = Request::stopped(DisaggregationMode::Decode).await;
    assert!(!request.is_aborted().await);
    request.yields(Vec::new()).await;
    assert!(!request.is_aborted().await, "the chunk had no token");
    request.yields(vec![1]).await;
    assert!(request.is_aborted().await);
}

#[tokio::test]
async fn section_10_a_decode_is_aborted_when_its_engine_announces_the_first_token() {
    let mut request = Request::stopped(DisaggregationMode::Decode).await;
    assert!(!request.is_aborted().await);
    let context = request.engine.context().unwrap();
    context.notify_first_token();
    assert!(request.is_aborted().await);
}

#[tokio::test]
async fn section_10_a_decode_whose_reader_left_goes_on_to_its_first_token() {
    let mut request = Request::stopped(DisaggregationMode::Decode).await;
    request.answer = None;
    request.yields(Vec::new()).await;
    assert!(!request.is_aborted().await);
    assert!(!request.chunks.is_closed());
    request.yields(vec![1]).await;
    assert!(request.is_aborted().await);
    assert!(request.chunks.is_closed());

    let mut aggregated = Request::stopped(DisaggregationMode::Aggregated).await;
    aggregated.answer = None;
    assert!(aggregated.is_aborted().await);
    assert!(aggregated.chunks.is_closed());
}

/// Answers with its stream when it is told to, as an engine does that has a queue of its own.
struct Slow {
    go: Arc<tokio::sync::Notify>,
    fails: bool,
}

#[async_trait]
impl LLMEngine for Slow {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig::new("queued"))
    }

    async fn generate(
        &self,
        _request: PreprocessedRequest,
        _context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        self.go.notified().await;
        if self.fails {
            return Err(crate::error::unknown("no room"));
        }
        Ok(Box::pin(futures::stream::iter([Ok(
            LLMEngineOutput::stop(),
        )])))
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}

#[tokio::test]
async fn an_answer_begins_before_its_stream_where_the_instance_is_about_to_leave() {
    for fails in [false, true] {
        let (admission, go) = (Admission::default(), Arc::new(tokio::sync::Notify::new()));
        let engine = Arc::new(Slow {
            go: go.clone(),
            fails,
        });
        let mode = DisaggregationMode::Aggregated;
        let adapter = EngineAdapter::new(engine, admission.clone(), mode, KEEP, None, None);
        let request = serde_json::from_value(json!({"token_ids": [1]})).unwrap();
        let leaving = async {
            tokio::task::yield_now().await;
            admission.answer_at_once();
            admission.all_answered().await;
        };
        let (answer, ()) = tokio::join!(adapter.generate(SingleIn::new(request)), leaving);
        let mut answer = answer.unwrap();
        go.notify_one();
        let item = answer.next().await.unwrap();
        assert_eq!(item.error.is_some(), fails, "{item:?}");
        drop(answer);
        admission.idle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_decode_without_a_first_token_is_kept_for_a_while_and_aborted_then() {
    for reader_leaves in [false, true] {
        let mut request = Request::stopped(DisaggregationMode::Decode).await;
        if reader_leaves {
            request.answer = None;
        }
        tokio::time::sleep(KEEP - Duration::from_secs(1)).await;
        assert!(!request.is_aborted().await);
        assert!(!request.chunks.is_closed());
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(request.is_aborted().await);
        assert!(request.chunks.is_closed());
        let context = request.engine.context().unwrap();
        assert!(context.may_abort());
    }
}

/// Answers with a stream when the test lets it, whatever becomes of the request.
struct Queued {
    answer: tokio::sync::Semaphore,
    aborted: AtomicBool,
    dropped: Arc<AtomicBool>,
}

#[async_trait]
impl LLMEngine for Queued {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig::new("queued"))
    }

    async fn generate(
        &self,
        _request: PreprocessedRequest,
        _context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        struct Noticed(Arc<AtomicBool>);
        impl Drop for Noticed {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _noticed = Noticed(self.dropped.clone());
        let _turn = self.answer.acquire().await;
        Ok(Box::pin(futures::stream::pending()))
    }

    async fn abort(&self, _context: RequestContext) {
        self.aborted.store(true, Ordering::Relaxed);
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn section_10_what_ends_a_generate_that_does_not_return() {
    type End = fn(&Admission, &dyn AsyncEngineContext);
    let rows: [(DisaggregationMode, End, BackendError, bool); 3] = [
        (
            DisaggregationMode::Aggregated,
            |_, context| context.kill(),
            BackendError::Cancelled,
            true,
        ),
        (
            DisaggregationMode::Decode,
            |_, context| context.stop_generating(),
            BackendError::Cancelled,
            true,
        ),
        (
            DisaggregationMode::Aggregated,
            |admission, _| {
                admission.cut();
            },
            BackendError::EngineShutdown,
            false,
        ),
    ];
    for (mode, end, kind, is_aborted) in rows {
        let engine = Arc::new(Queued {
            answer: tokio::sync::Semaphore::new(0),
            aborted: AtomicBool::new(false),
            dropped: Arc::default(),
        });
        let admission = Admission::default();
        let adapter = EngineAdapter::new(engine.clone(), admission.clone(), mode, KEEP, None, None);
        let request = serde_json::from_value(json!({"token_ids": [1]})).unwrap();
        let request: SingleIn<PreprocessedRequest> = SingleIn::new(request);
        let context = request.context();
        let (answer, ()) = tokio::join!(adapter.generate(request), async {
            tokio::task::yield_now().await;
            end(&admission, &*context);
        });
        let error = answer.unwrap_err().downcast::<DynamoError>().unwrap();
        assert_eq!(crate::error::kind(&error), kind);
        assert!(engine.dropped.load(Ordering::Relaxed), "generate goes on");
        assert_eq!(engine.aborted.load(Ordering::Relaxed), is_aborted);
        admission.idle().await;
    }
}

mod limits;
mod raw;
