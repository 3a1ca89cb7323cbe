//! An engine whose stream is seen from inside: a client gets chunks joined, and none after the last.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use futures::Stream;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::panics::Panics;
use crate::engine::{EngineStream, LLMEngine, RequestContext};
use crate::engine_config::EngineConfig;

/// What an engine yielded for a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Yielded {
    pub(super) chunks: usize,
    /// What is wrong with the shape of one.
    pub(super) misshapen: Option<String>,
    /// Whether there was another one behind the terminal one.
    pub(super) goes_on: bool,
}

/// An engine, for one request.
pub(super) struct Observed {
    engine: Arc<dyn LLMEngine>,
    trace: Arc<Trace>,
}

struct Trace {
    yielded: Mutex<Yielded>,
    panics: Panics,
    /// Flips when `abort` has returned.
    aborted: CancellationToken,
    /// Told how many chunks were yielded, before the next one is asked for.
    tell: Box<dyn Fn(usize) + Send + Sync>,
}

impl Observed {
    pub(super) fn new(
        engine: Arc<dyn LLMEngine>,
        panics: Panics,
        tell: impl Fn(usize) + Send + Sync + 'static,
    ) -> Self {
        let trace = Arc::new(Trace {
            yielded: Mutex::default(),
            panics,
            aborted: CancellationToken::new(),
            tell: Box::new(tell),
        });
        Self { engine, trace }
    }

    pub(super) fn yielded(&self) -> Yielded {
        self.trace.yielded.lock().clone()
    }

    /// Resolves when the engine was told that its request was stopped.
    pub(super) async fn aborted(&self) {
        self.trace.aborted.cancelled().await
    }
}

#[async_trait]
impl LLMEngine for Observed {
    fn name(&self) -> String {
        self.engine.name()
    }

    async fn start(&self, worker_id: u64) -> Result<EngineConfig, DynamoError> {
        self.engine.start(worker_id).await
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        (self.trace.tell)(0);
        // In an async block, so that a panic before the first await is caught too.
        let work = async { self.engine.generate(request, context).await };
        let stream = self.trace.panics.awaited("generate", work).await?;
        Ok(Box::pin(ObservedStream {
            stream: Some(stream),
            trace: self.trace.clone(),
        }))
    }

    async fn abort(&self, context: RequestContext) {
        let work = async {
            self.engine.abort(context).await;
            Ok(())
        };
        // It was noted, and nobody waits for an abort.
        let _ = self.trace.panics.awaited("abort", work).await;
        self.trace.aborted.cancel();
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        self.engine.cleanup().await
    }
}

struct ObservedStream {
    /// None behind the last item.
    stream: Option<EngineStream>,
    trace: Arc<Trace>,
}

type Item = Result<LLMEngineOutput, DynamoError>;

impl ObservedStream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        let polled = self
            .trace
            .panics
            .caught("stream", || stream.as_mut().poll_next(cx));
        polled.unwrap_or_else(|panic| Poll::Ready(Some(Err(panic))))
    }
}

impl Stream for ObservedStream {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let this = &mut *self;
        let item = ready!(this.poll(cx));
        let Some(Ok(chunk)) = &item else {
            this.stream = None;
            return Poll::Ready(item);
        };
        let count = {
            let mut yielded = this.trace.yielded.lock();
            let place = yielded.chunks;
            yielded.chunks += 1;
            if yielded.misshapen.is_none() {
                yielded.misshapen = misshapen(chunk).map(|what| format!("chunk {place} {what}"));
            }
            yielded.chunks
        };
        if chunk.finish_reason.is_some() {
            let goes_on = matches!(this.poll(cx), Poll::Ready(Some(_)));
            this.trace.yielded.lock().goes_on = goes_on;
            this.stream = None;
        }
        (this.trace.tell)(count);
        Poll::Ready(item)
    }
}

fn misshapen(chunk: &LLMEngineOutput) -> Option<String> {
    let tokens = chunk.token_ids.len();
    let of_each_token = [
        ("log_probs", chunk.log_probs.as_ref().map(Vec::len)),
        ("top_logprobs", chunk.top_logprobs.as_ref().map(Vec::len)),
    ];
    let (name, length) = of_each_token
        .into_iter()
        .filter_map(|(name, length)| Some((name, length?)))
        .find(|(_, length)| *length != tokens)?;
    Some(format!("has {length} {name} for {tokens} token_ids"))
}
