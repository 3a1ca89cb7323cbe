//! What is counted of one request, and told of it in its span.

use dynamo_llm::protocols::common::FinishReason;
use dynamo_runtime::error::DynamoError;
use tokio::time::Instant;

use super::kind::Item;
use crate::error::{BackendError, ErrorClass, kind};
use crate::metrics::RequestMetrics;
use crate::trace::RequestSpan;

/// One request's part in the metrics and its span; of a request that is neither counted nor traced,
/// nothing.
pub(super) struct Measure {
    metrics: Option<RequestMetrics>,
    span: Option<Box<RequestSpan>>,
    arrived: Instant,
    saw_token: bool,
}

impl Measure {
    /// A request with this many tokens arrives.
    pub(super) fn begin(
        metrics: Option<RequestMetrics>,
        span: Option<Box<RequestSpan>>,
        input_tokens: usize,
    ) -> Self {
        if let Some(metrics) = &metrics {
            metrics.input(input_tokens);
        }
        Self {
            metrics,
            span,
            arrived: Instant::now(),
            saw_token: false,
        }
    }

    /// An item goes out.
    pub(super) fn item(&mut self, item: &impl Item) {
        let Some(chunk) = item.as_output() else {
            return;
        };
        if let Some(span) = &mut self.span {
            span.saw(chunk);
        }
        let Some(metrics) = &self.metrics else { return };
        metrics.output(chunk.token_ids.len());
        if !self.saw_token && !chunk.token_ids.is_empty() {
            self.saw_token = true;
            metrics.first_token(self.arrived.elapsed());
        }
        if let Some(FinishReason::Error(_)) = chunk.finish_reason {
            metrics.failed(BackendError::Unknown);
        }
    }

    /// The request ends behind its last item, which did not say so.
    pub(super) fn ended(&mut self) {
        if let Some(span) = &mut self.span {
            span.ended();
        }
    }

    /// The request ends with this error.
    pub(super) fn failed(&mut self, error: &DynamoError) {
        if let Some(span) = &mut self.span {
            span.failed(error);
        }
        match &self.metrics {
            // Nobody's fault: another worker takes it.
            Some(metrics) if error.error_type() == ErrorClass::WorkerOverloaded => {
                metrics.refused()
            }
            Some(metrics) => metrics.failed(kind(error)),
            None => {}
        }
    }
}
