//! An answer as a frontend reads it.

use std::time::Duration;

use bytes::BytesMut;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::pipeline::network::codec::{TwoPartCodec, TwoPartMessage};
use dynamo_runtime::pipeline::network::{ControlMessage, Ingress};
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use futures::{SinkExt, StreamExt};
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::codec::Framed;

use super::*;
use crate::admission::Admission;
use crate::config::DisaggregationMode;
use crate::error::{DynamoError, ErrorClass};
use crate::serve::told::{Chunk, Told};
use crate::turns::Turns;

const ID: &str = "a-request";

/// A worker whose engine says what the test says.
struct Worker {
    handler: Arc<TcpAnswers<Told>>,
    admission: Admission,
    chunks: UnboundedSender<Chunk>,
    aborts: UnboundedReceiver<()>,
    frontend: TcpListener,
}

impl Worker {
    async fn new() -> Self {
        Self::with_turns(Turns::default()).await
    }

    async fn with_turns(turns: Turns) -> Self {
        let (engine, chunks, aborts) = Told::new();
        let admission = Admission::default();
        let adapter = EngineAdapter::new(
            engine,
            admission.clone(),
            DisaggregationMode::Aggregated,
            Duration::from_secs(60),
            None,
            None,
        );
        let adapter = Arc::new(adapter.with_turns(turns));
        let handler = Arc::new(TcpAnswers {
            others: Ingress::for_engine(adapter.clone()).unwrap(),
            adapter,
            metrics: metrics(),
        });
        Self {
            handler,
            admission,
            chunks,
            aborts,
            frontend: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        }
    }

    fn says(&self, chunk: LLMEngineOutput) {
        self.chunks.unbounded_send(Ok(chunk)).unwrap();
    }

    fn says_more_than_a_socket_takes(&self) {
        for number in 0..60_000 {
            // Apart, as their indices differ.
            self.says(LLMEngineOutput {
                index: Some(number % 2),
                ..token(number)
            });
        }
    }

    /// Has it answer a request, as the runtime does.
    fn request(&self) -> JoinHandle<Result<(), PipelineError>> {
        let info = TcpStreamConnectionInfo {
            address: self.frontend.local_addr().unwrap().to_string(),
            subject: "a-subject".to_owned(),
            context: ID.to_owned(),
            stream_type: StreamType::Response,
        };
        let header = json!({
            "id": ID,
            "request_type": "single_in",
            "response_type": "many_out",
            "connection_info": ConnectionInfo::from(info),
        });
        let message = TwoPartMessage::from_parts(
            header.to_string().into(),
            Bytes::from_static(br#"{"token_ids": [1]}"#),
        );
        let payload = TwoPartCodec::default().encode_message(message).unwrap();
        let handler = self.handler.clone();
        tokio::spawn(async move { handler.handle_payload(payload, None).await })
    }

    /// The connection of its answer.
    async fn answer(&self) -> Frontend {
        let (socket, _) = self.frontend.accept().await.unwrap();
        let mut frontend = Frontend(Framed::new(socket, TwoPartCodec::default()));
        let handshake = frontend.header().await;
        assert_eq!(
            handshake,
            json!({"subject": "a-subject", "stream_type": "response"})
        );
        frontend
    }

    fn errors(&self, error_type: &str) -> u64 {
        let errors = &self.handler.metrics.error_counter;
        errors.with_label_values(&[error_type]).get()
    }
}

struct Frontend(Framed<TcpStream, TwoPartCodec>);

impl Frontend {
    async fn header(&mut self) -> Value {
        let (header, data) = self.0.next().await.unwrap().unwrap().into_parts();
        assert!(data.is_empty());
        serde_json::from_slice(&header).unwrap()
    }

    async fn data(&mut self) -> Value {
        let (header, data) = self.0.next().await.unwrap().unwrap().into_parts();
        assert!(header.is_empty());
        serde_json::from_slice(&data).unwrap()
    }

    async fn says(&mut self, control: ControlMessage) {
        let control = serde_json::to_vec(&control).unwrap();
        let message = TwoPartMessage::from_header(control.into());
        self.0.send(message).await.unwrap();
    }
}

fn metrics() -> WorkHandlerMetrics {
    let counter = |name| IntCounter::new(name, "help").unwrap();
    WorkHandlerMetrics::new(
        counter("requests"),
        Histogram::with_opts(HistogramOpts::new("seconds", "help")).unwrap(),
        IntGauge::new("inflight", "help").unwrap(),
        counter("request_bytes"),
        counter("response_bytes"),
        IntCounterVec::new(Opts::new("errors", "help"), &["error_type"]).unwrap(),
        counter("cancelled"),
    )
}

fn token(id: u32) -> LLMEngineOutput {
    LLMEngineOutput {
        token_ids: vec![id],
        ..Default::default()
    }
}

#[tokio::test]
async fn section_12_2_a_request_is_in_flight_until_the_frontend_has_closed() {
    let worker = Worker::new().await;
    let answered = worker.request();
    let mut frontend = worker.answer().await;
    assert_eq!(frontend.header().await, json!({"error": null}));
    worker.says(token(5));
    assert_eq!(
        frontend.data().await["data"]["data"]["token_ids"],
        json!([5])
    );
    worker.says(LLMEngineOutput::stop());
    let last = frontend.data().await;
    assert_eq!(last["data"]["data"]["finish_reason"], "stop");
    assert_eq!(frontend.data().await, json!({"complete_final": true}));
    assert_eq!(frontend.header().await, json!("sentinel"));
    assert_eq!(worker.admission.in_flight(), 1);
    drop(frontend);
    answered.await.unwrap().unwrap();
    assert_eq!(
        (worker.admission.in_flight(), worker.admission.finished()),
        (0, 1)
    );
    let metrics = &worker.handler.metrics;
    assert_eq!(metrics.inflight_requests.get(), 0);
    assert_eq!(metrics.request_counter.get(), 1);
    assert_eq!(metrics.request_duration.get_sample_count(), 1);
    assert!(metrics.response_bytes.get() > 0);
    assert_eq!(metrics.cancellation_total.get(), 0);
}

#[tokio::test]
async fn the_prologue_travels_with_what_is_ready() {
    let worker = Worker::new().await;
    worker.says(token(5));
    worker.says(LLMEngineOutput::stop());
    let answered = worker.request();
    let (mut socket, _) = worker.frontend.accept().await.unwrap();
    let mut bytes = BytesMut::with_capacity(1 << 16);
    let mut reads = Vec::new();
    while !bytes.ends_with(br#""sentinel""#) {
        reads.push(
            tokio::io::AsyncReadExt::read_buf(&mut socket, &mut bytes)
                .await
                .unwrap(),
        );
    }
    drop(socket);
    answered.await.unwrap().unwrap();
    assert!(reads.len() <= 2, "handshake, and all the rest: {reads:?}");
}

#[tokio::test]
async fn who_is_refused_is_told_why_and_the_runtime_too() {
    let worker = Worker::new().await;
    worker.handler.adapter.admission().close();
    let answered = worker.request();
    let mut frontend = worker.answer().await;
    let prologue = frontend.header().await;
    assert!(
        prologue["error"]
            .as_str()
            .unwrap()
            .contains("takes no requests")
    );
    let error: DynamoError = serde_json::from_value(prologue["typed_error"].clone()).unwrap();
    assert_eq!(error.error_type(), ErrorClass::WorkerUnavailable);
    assert_eq!(frontend.header().await, json!("sentinel"));
    drop(frontend);
    let error = answered.await.unwrap().unwrap_err().to_string();
    assert!(error.starts_with("Generate Error: "), "{error}");
    assert_eq!(worker.errors(error_types::GENERATE), 1);
    assert_eq!(worker.admission.finished(), 0);
    worker.admission.all_answered().await;
}

#[tokio::test]
async fn a_frontend_that_stops_is_heard_before_its_answer_begins() {
    let worker = Worker::with_turns(Turns::new(1, 1, None)).await;
    let first = worker.request();
    let mut answer = worker.answer().await;
    answer.header().await;
    let waits = worker.request();
    worker.answer().await.says(ControlMessage::Stop).await;
    let error = waits.await.unwrap().unwrap_err().to_string();
    assert!(
        error.contains("cancelled before the engine began"),
        "{error}"
    );
    assert_eq!(worker.admission.in_flight(), 1);
    drop(answer);
    worker.says(LLMEngineOutput::stop());
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_frontend_that_stops_or_leaves_is_heard_between_two_items() {
    for how in [Some(ControlMessage::Stop), Some(ControlMessage::Kill), None] {
        let mut worker = Worker::new().await;
        let answered = worker.request();
        let mut frontend = worker.answer().await;
        frontend.header().await;
        let is_told = how.is_some();
        if let Some(control) = how {
            frontend.says(control).await;
        }
        drop(frontend);
        worker.aborts.next().await.unwrap();
        worker.says(LLMEngineOutput::cancelled());
        answered.await.unwrap().unwrap();
        worker.admission.idle().await;
        let metrics = &worker.handler.metrics;
        assert_eq!(metrics.cancellation_total.get(), u64::from(is_told));
        assert_eq!(worker.errors(error_types::PUBLISH_RESPONSE), 1);
    }
}

#[tokio::test]
async fn an_engine_waits_for_a_frontend_that_does_not_read() {
    let worker = Worker::new().await;
    let answered = worker.request();
    let mut frontend = worker.answer().await;
    frontend.header().await;
    worker.says_more_than_a_socket_takes();
    worker.says(LLMEngineOutput::stop());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!worker.chunks.is_empty(), "what is not read is not pulled");
    assert_eq!(worker.admission.in_flight(), 1);
    let mut tokens = 0;
    loop {
        let item = frontend.data().await;
        match item["data"]["data"]["token_ids"].as_array() {
            Some(ids) => tokens += ids.len(),
            None => break,
        }
    }
    assert_eq!(tokens, 60_000);
    drop(frontend);
    answered.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_frontend_that_cannot_be_reached_leaves_nothing_in_flight() {
    let mut worker = Worker::new().await;
    let gone = worker.request();
    // Nobody listens there any more.
    worker.frontend = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = gone.await.unwrap().unwrap_err().to_string();
    assert!(
        error.contains("Failed to create response stream"),
        "{error}"
    );
    assert_eq!(worker.errors(error_types::RESPONSE_STREAM), 1);
    assert_eq!(
        (worker.admission.in_flight(), worker.admission.finished()),
        (0, 0)
    );
    worker.admission.all_answered().await;
}

mod cuts;
mod writing;
