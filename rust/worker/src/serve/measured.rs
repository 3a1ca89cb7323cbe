//! Counts what passes through the stream of one request.

use std::pin::Pin;
use std::task::{Context, Poll};

use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::protocols::annotated::Annotated;
use dynamo_runtime::protocols::maybe_error::MaybeError;
use futures::Stream;
use tokio::time::Instant;

use crate::error::{BackendError, kind};
use crate::metrics::RequestMetrics;

/// One request's part in the metrics; of a request that is not counted, nothing.
pub(super) struct Measure {
    metrics: Option<RequestMetrics>,
    arrived: Instant,
    saw_token: bool,
}

impl Measure {
    /// A request with this many tokens arrives.
    pub(super) fn begin(metrics: Option<RequestMetrics>, input_tokens: usize) -> Self {
        if let Some(metrics) = &metrics {
            metrics.input(input_tokens);
        }
        Self {
            metrics,
            arrived: Instant::now(),
            saw_token: false,
        }
    }

    /// The request ends with this error.
    pub(super) fn failed(&self, error: &DynamoError) {
        if let Some(metrics) = &self.metrics {
            metrics.failed(kind(error));
        }
    }

    fn item(&mut self, item: &Annotated<LLMEngineOutput>) {
        let Some(metrics) = &self.metrics else { return };
        if let Some(chunk) = &item.data {
            metrics.output(chunk.token_ids.len());
            if !self.saw_token && !chunk.token_ids.is_empty() {
                self.saw_token = true;
                metrics.first_token(self.arrived.elapsed());
            }
            if let Some(FinishReason::Error(_)) = chunk.finish_reason {
                metrics.failed(BackendError::Unknown);
            }
        } else if let Some(error) = item.err() {
            metrics.failed(kind(&error));
        }
    }
}

/// A stream that counts as it is read.
pub(super) struct Measured<S> {
    pub(super) stream: S,
    pub(super) measure: Measure,
}

impl<S: Stream<Item = Annotated<LLMEngineOutput>> + Unpin> Stream for Measured<S> {
    type Item = Annotated<LLMEngineOutput>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.stream).poll_next(cx);
        if let Poll::Ready(Some(item)) = &polled {
            self.measure.item(item);
        }
        polled
    }
}
