//! The answers of a raw engine.

use futures::channel::mpsc::unbounded;
use parking_lot::Mutex;
use serde_json::Value;

use super::*;
use crate::engine::{RawEngine, RawStream};
use crate::guarded_raw::GuardedRaw;

type RawChunk = Result<Value, DynamoError>;

/// Answers one request with the chunks of a channel, and tells of its abort.
struct Told {
    chunks: Mutex<Option<UnboundedReceiver<RawChunk>>>,
    aborts: UnboundedSender<()>,
}

#[async_trait]
impl RawEngine for Told {
    fn name(&self) -> String {
        "Told".into()
    }
    async fn start(&self, _: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig::new("told"))
    }
    async fn generate(&self, _: Value, _: RequestContext) -> Result<RawStream, DynamoError> {
        let chunks = self.chunks.lock().take();
        Ok(chunks.expect("one request").boxed())
    }
    async fn abort(&self, _: RequestContext) {
        self.aborts.unbounded_send(()).unwrap();
    }
    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}

struct Asked {
    chunks: UnboundedSender<RawChunk>,
    aborts: UnboundedReceiver<()>,
    admission: Admission,
    answer: ManyOut<Annotated<Value>>,
}

impl Asked {
    async fn new() -> Self {
        let (chunks, of_engine) = unbounded();
        let (of_aborts, aborts) = unbounded();
        let engine = GuardedRaw::new(Arc::new(Told {
            chunks: Mutex::new(Some(of_engine)),
            aborts: of_aborts,
        }));
        let admission = Admission::default();
        let mode = DisaggregationMode::Aggregated;
        let adapter =
            EngineAdapter::new(Arc::new(engine), admission.clone(), mode, KEEP, None, None);
        let request = SingleIn::new(json!({"model": "told", "prompt": "a cat"}));
        let answer = adapter.generate(request).await.unwrap();
        Self {
            chunks,
            aborts,
            admission,
            answer,
        }
    }

    fn says(&self, chunk: Value) {
        self.chunks.unbounded_send(Ok(chunk)).unwrap();
    }

    async fn rest(self) -> Vec<Annotated<Value>> {
        drop(self.chunks);
        self.answer.collect().await
    }
}

#[tokio::test]
async fn section_10_a_raw_answer_ends_where_its_stream_does() {
    let asked = Asked::new().await;
    // What looks like the end of a stream of tokens is none of one here.
    asked.says(json!({"finish_reason": "stop"}));
    asked.says(json!({"n": 2}));
    assert_eq!(asked.admission.in_flight(), 1);
    let items = asked.rest().await;
    let data: Vec<_> = items.into_iter().filter_map(|item| item.data).collect();
    assert_eq!(data, [json!({"finish_reason": "stop"}), json!({"n": 2})]);
}

#[tokio::test]
async fn section_10_a_raw_engine_that_says_nothing_is_named() {
    let items = Asked::new().await.rest().await;
    let [item] = &items[..] else {
        panic!("{items:?}")
    };
    let error = item.error.as_ref().unwrap();
    assert_eq!(crate::error::kind(error), BackendError::StreamIncomplete);
    let expected = "Told ended the stream without an answer";
    assert!(error.message().starts_with(expected), "{error}");
}

#[tokio::test]
async fn section_10_an_error_is_the_last_that_a_raw_engine_says() {
    let asked = Asked::new().await;
    let error = crate::error::invalid_argument("no such size");
    asked.says(json!({"progress": 1}));
    asked.chunks.unbounded_send(Err(error)).unwrap();
    asked.says(json!({"progress": 2}));
    let items = asked.rest().await;
    assert_eq!(items.len(), 2);
    assert_eq!(items[1].error.as_ref().unwrap().message(), "no such size");
}

#[tokio::test]
async fn section_10_a_raw_request_that_is_stopped_is_told_to_the_engine() {
    let mut asked = Asked::new().await;
    asked.answer.context().stop_generating();
    assert!(asked.aborts.next().await.is_some());
    assert_eq!(
        asked.rest().await.len(),
        0,
        "a stopped request needs no last word"
    );
}
