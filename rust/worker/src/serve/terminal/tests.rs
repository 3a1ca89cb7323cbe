use std::time::Duration;

use dynamo_runtime::engine::AsyncEngineContext;
use dynamo_runtime::pipeline::context::Controller;
use futures::channel::mpsc::unbounded;
use futures::{StreamExt, stream};
use serde_json::json;

use super::*;
use crate::admission::Admission;
use crate::encoding::encoder_chunk;
use crate::engine::EngineStream;
use crate::engines::Echo;
use crate::error::kind;
use crate::serve::cancel::watch;
use crate::serve::relayed::Relayed;
use crate::trace::RequestTrace;

struct Fixture {
    admission: Admission,
    controller: Arc<Controller>,
    context: RequestContext,
}

impl Fixture {
    fn new() -> Self {
        let controller = Arc::new(Controller::default());
        let context = RequestContext::new(controller.clone(), Default::default());
        Self {
            admission: Admission::default(),
            controller,
            context,
        }
    }

    fn stream(&self, engine: EngineStream) -> RequestStream {
        let request = InFlight::new(self.admission.enter().unwrap());
        request.open(engine).unwrap();
        watch(
            request.share(),
            self.context.clone(),
            Arc::new(Echo::new("echo", Duration::ZERO)),
            self.admission.clone(),
        );
        RequestStream::new(
            request,
            self.context.clone(),
            "Fake".into(),
            Measure::begin(None, None, 0),
        )
    }
}

fn token(id: u32) -> Result<LLMEngineOutput, DynamoError> {
    Ok(LLMEngineOutput {
        token_ids: vec![id],
        ..Default::default()
    })
}

fn error_kind(item: &Result<LLMEngineOutput, DynamoError>) -> BackendError {
    kind(item.as_ref().expect_err("an error item"))
}

#[tokio::test]
async fn the_last_chunk_of_an_encode_worker_says_where_it_came_from() {
    let mut fixture = Fixture::new();
    let span = "b7ad6b7169203331";
    let ids = json!({"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": span});
    let trace = RequestTrace::of_runtime(&serde_json::from_value(ids).unwrap());
    fixture.context = fixture.context.with_trace(Some(trace));
    let engine = stream::iter([Ok(encoder_chunk(json!({"handle": 1})))]);
    let mut stream = fixture.stream(Box::pin(engine)).encoding();
    let last = stream.next().await.unwrap().unwrap();
    assert_eq!(last.worker_trace_link.unwrap().span_id, span);
}

#[tokio::test]
async fn the_stream_ends_at_the_first_terminal_item() {
    let fixture = Fixture::new();
    let engine = stream::iter([token(1), Ok(LLMEngineOutput::stop()), token(2)]);
    let items: Vec<_> = fixture.stream(Box::pin(engine)).collect().await;
    assert_eq!(items.len(), 1);
    let last = items[0].as_ref().unwrap();
    assert_eq!(last.token_ids, [1]);
    assert!(last.finish_reason.is_some());
    fixture.admission.idle().await;
}

#[tokio::test(start_paused = true)]
async fn section_12_2_a_request_is_in_flight_until_the_runtime_has_written_its_answer() {
    for is_cut in [false, true] {
        let fixture = Fixture::new();
        // As the runtime's reader and writer do.
        let (reader, writer) = (fixture.controller.clone(), fixture.controller.clone());
        let engine = stream::iter([Ok(LLMEngineOutput::stop())]);
        let stream = fixture.stream(Box::pin(engine));
        let relayed = Relayed::new(stream);
        let items: Vec<_> = relayed.collect().await;
        assert_eq!(items.len(), 1);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(fixture.admission.in_flight(), 1);
        if is_cut {
            assert_eq!(fixture.admission.cut(), 1);
        } else {
            drop((reader, writer));
        }
        fixture.admission.idle().await;
    }
}

#[tokio::test]
async fn a_typed_error_is_terminal_and_keeps_its_kind() {
    let fixture = Fixture::new();
    let engine = stream::iter([
        Err(backend(BackendError::ResponseTimeout, "slow")),
        token(1),
    ]);
    let items: Vec<_> = fixture.stream(Box::pin(engine)).collect().await;
    assert_eq!(items.len(), 1);
    assert_eq!(error_kind(&items[0]), BackendError::ResponseTimeout);
}

#[tokio::test]
async fn a_stream_without_terminal_item_is_incomplete_and_names_the_engine() {
    let fixture = Fixture::new();
    let items: Vec<_> = fixture
        .stream(Box::pin(stream::iter([token(1)])))
        .collect()
        .await;
    assert_eq!(error_kind(&items[1]), BackendError::StreamIncomplete);
    assert!(items[1].as_ref().unwrap_err().message().contains("Fake"));
}

#[tokio::test]
async fn a_stopped_request_may_end_without_a_terminal_item() {
    let fixture = Fixture::new();
    fixture.controller.stop_generating();
    let items: Vec<_> = fixture.stream(Box::pin(stream::empty())).collect().await;
    assert_eq!(items[0].as_ref().unwrap(), &LLMEngineOutput::cancelled());
}

#[tokio::test]
async fn a_cut_ends_a_silent_stream_with_engine_shutdown() {
    let fixture = Fixture::new();
    let mut stream = fixture.stream(Box::pin(stream::pending()));
    let (item, cut) = tokio::join!(stream.next(), async { fixture.admission.cut() });
    assert_eq!(cut, 1);
    assert_eq!(error_kind(&item.unwrap()), BackendError::EngineShutdown);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_cut_takes_the_stream_from_a_reader_that_stalls() {
    let fixture = Fixture::new();
    let (dropped, is_dropped) = tokio::sync::oneshot::channel::<()>();
    let engine = stream::once(async move {
        let _held = dropped;
        std::future::pending().await
    });
    let mut stalled = fixture.stream(Box::pin(engine));
    assert!(futures::poll!(stalled.next()).is_pending());
    fixture.admission.cut();
    fixture.admission.idle().await;
    assert!(is_dropped.await.is_err(), "the engine's stream is gone");
    let item = stalled.next().await.unwrap();
    assert_eq!(error_kind(&item), BackendError::EngineShutdown);
}

#[tokio::test]
async fn a_killed_request_whose_engine_says_nothing_is_not_waited_for() {
    let fixture = Fixture::new();
    let mut stream = fixture.stream(Box::pin(stream::pending()));
    assert!(futures::poll!(stream.next()).is_pending());
    fixture.controller.kill();
    fixture.admission.idle().await;
    let item = stream.next().await.unwrap();
    assert_eq!(item.unwrap(), LLMEngineOutput::cancelled());
}

#[tokio::test]
async fn a_stream_that_panics_is_an_error_of_its_request() {
    let fixture = Fixture::new();
    let engine = stream::once(async { panic!("out of blocks") });
    let items: Vec<_> = fixture.stream(Box::pin(engine)).collect().await;
    assert_eq!(items.len(), 1);
    assert_eq!(error_kind(&items[0]), BackendError::Unknown);
    let message = items[0].as_ref().unwrap_err().message();
    assert!(message.contains("Fake") && message.contains("out of blocks"));
}

#[tokio::test]
async fn the_first_token_is_announced_with_its_chunk() {
    let mut fixture = Fixture::new();
    fixture.context = fixture
        .context
        .keep_until_first_token(Duration::from_secs(60));
    fixture.controller.stop_generating();
    let (engine, chunks) = futures::channel::mpsc::unbounded();
    let mut stream = fixture.stream(Box::pin(chunks));
    engine
        .unbounded_send(Ok(LLMEngineOutput::default()))
        .unwrap();
    stream.next().await;
    assert!(!fixture.context.may_abort());
    engine.unbounded_send(token(1)).unwrap();
    stream.next().await;
    assert!(fixture.context.may_abort());
}

#[tokio::test]
async fn chunks_that_are_ready_together_are_one_item_and_none_waits_for_another() {
    let fixture = Fixture::new();
    let (engine, chunks) = futures::channel::mpsc::unbounded();
    let mut stream = fixture.stream(Box::pin(chunks));
    for id in 1..=3 {
        engine.unbounded_send(token(id)).unwrap();
    }
    let item = stream.next().await.unwrap();
    assert_eq!(item.unwrap().token_ids, [1, 2, 3]);
    engine.unbounded_send(token(4)).unwrap();
    let item = stream.next().await.unwrap();
    assert_eq!(item.unwrap().token_ids, [4]);
}

#[tokio::test]
async fn an_error_behind_ready_chunks_comes_after_them() {
    let fixture = Fixture::new();
    let error = Err(backend(BackendError::ResponseTimeout, "slow"));
    let engine = stream::iter([token(1), token(2), error]);
    let items: Vec<_> = fixture.stream(Box::pin(engine)).collect().await;
    assert_eq!(items[0].as_ref().unwrap().token_ids, [1, 2]);
    assert_eq!(error_kind(&items[1]), BackendError::ResponseTimeout);
    assert_eq!(items.len(), 2);
}

#[tokio::test]
async fn section_8_only_an_answer_that_ends_well_shows_that_the_engine_is_well() {
    let rows = [
        (LLMEngineOutput::stop(), true),
        (LLMEngineOutput::length(), true),
        (LLMEngineOutput::cancelled(), false),
        (LLMEngineOutput::error("no".into()), false),
    ];
    for (last, is_well) in rows {
        let fixture = Fixture::new();
        let vitals = Arc::new(Vitals::new());
        let (chunks, of_engine) = unbounded();
        let mut stream = fixture.stream(of_engine.boxed()).showing(vitals.clone());
        chunks.unbounded_send(token(1)).unwrap();
        stream.next().await.unwrap().unwrap();
        assert!(!vitals.is_well(), "a first token shows nothing");
        chunks.unbounded_send(Ok(last)).unwrap();
        stream.next().await.unwrap().unwrap();
        assert_eq!(vitals.is_well(), is_well);
    }
}
