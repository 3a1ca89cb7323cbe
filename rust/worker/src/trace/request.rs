//! The span of one request.

use std::sync::Arc;
use std::time::Instant;

use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::{PreprocessedRequest, TraceLink};
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::logging::{
    get_distributed_tracing_context, otel_parent_context_from_distributed,
};
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::Span;
use parking_lot::Mutex;

use super::export::tracer;
use super::request_trace::RequestTrace;
use super::runtime;
use super::span::EngineSpan;
use crate::error::{BackendError, kind};

/// OpenTelemetry's own names, of its conventions for generative AI; the last one is the log's.
mod name {
    pub(super) const OPERATION: &str = "gen_ai.operation.name";
    pub(super) const PROVIDER: &str = "gen_ai.provider.name";
    pub(super) const MODEL: &str = "gen_ai.request.model";
    pub(super) const MAX_TOKENS: &str = "gen_ai.request.max_tokens";
    pub(super) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
    pub(super) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
    pub(super) const FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
    pub(super) const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
    pub(super) const ERROR_TYPE: &str = "error.type";
    pub(super) const REQUEST_ID: &str = "request_id";
}

const CANCELLED: &str = "cancelled";

/// Ends with the request, which says how: a request whose end nobody saw was cancelled.
pub(crate) struct RequestSpan {
    /// The engine may write to it too.
    span: Arc<Mutex<Span>>,
    began: Instant,
    output_tokens: usize,
    finished: bool,
}

/// The trace that the current request is in, if any: what the engine may pass on, and the request's
/// span where that is exported.
pub(crate) fn begin(
    request: &PreprocessedRequest,
    request_id: &str,
) -> (Option<RequestTrace>, Option<Box<RequestSpan>>) {
    let Some(trace) = get_distributed_tracing_context() else {
        return (None, None);
    };
    let parent = otel_parent_context_from_distributed(&trace);
    let (Some(tracer), Some(parent)) = (tracer(), parent) else {
        return (Some(RequestTrace::of_runtime(&trace)), None);
    };
    let before = request.migration_link.as_ref().and_then(span_before);
    let span = tracer
        .span_builder(format!("text_completion {}", request.model))
        .with_kind(SpanKind::Internal)
        .with_links(before.into_iter().collect())
        .start_with_context(tracer, &parent);
    let trace = RequestTrace::of_span(span.span_context(), &trace);
    if !span.is_recording() {
        return (Some(trace), None);
    }
    let span = RequestSpan::new(span, request, request_id);
    let trace = trace.written_to(EngineSpan::of_request(span.span.clone()));
    (Some(trace), Some(Box::new(span)))
}

/// A link to the span of the worker that had the request before: its prefill, or where it migrated
/// from.
fn span_before(link: &TraceLink) -> Option<Link> {
    let before = SpanContext::new(
        TraceId::from_hex(&link.trace_id).ok()?,
        SpanId::from_hex(&link.span_id).ok()?,
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    before.is_valid().then(|| Link::with_context(before))
}

impl RequestSpan {
    fn new(mut span: Span, request: &PreprocessedRequest, request_id: &str) -> Self {
        let of_request = [
            KeyValue::new(name::OPERATION, "text_completion"),
            KeyValue::new(name::PROVIDER, "dynamo"),
            KeyValue::new(name::MODEL, request.model.clone()),
            KeyValue::new(name::INPUT_TOKENS, integer(request.token_ids.len())),
            KeyValue::new(name::REQUEST_ID, request_id.to_owned()),
        ];
        span.set_attributes(of_request);
        if let Some(most) = request.stop_conditions.max_tokens {
            span.set_attribute(KeyValue::new(name::MAX_TOKENS, i64::from(most)));
        }
        Self {
            span: Arc::new(Mutex::new(span)),
            began: Instant::now(),
            output_tokens: 0,
            finished: false,
        }
    }

    /// A chunk goes out.
    pub(crate) fn saw(&mut self, chunk: &LLMEngineOutput) {
        if self.output_tokens == 0 && !chunk.token_ids.is_empty() {
            let elapsed = self.began.elapsed().as_secs_f64();
            self.set(name::FIRST_CHUNK, elapsed);
        }
        self.output_tokens += chunk.token_ids.len();
        match &chunk.finish_reason {
            None => {}
            Some(FinishReason::Error(_)) => self.fail(BackendError::Unknown.to_string()),
            Some(reason) => self.finish(reason.to_string()),
        }
    }

    /// The request ends with an error. The message, which may quote what the client sent, is for
    /// the client and the log.
    pub(crate) fn failed(&mut self, error: &DynamoError) {
        match kind(error) {
            BackendError::Cancelled => self.finish(CANCELLED.into()),
            kind => self.fail(kind.to_string()),
        }
    }

    fn fail(&mut self, kind: String) {
        self.finish("error".into());
        self.set(name::ERROR_TYPE, kind);
        self.span.lock().set_status(Status::error(""));
    }

    fn set(&self, name: &'static str, value: impl Into<Value>) {
        let attribute = KeyValue::new(name, value.into());
        self.span.lock().set_attribute(attribute);
    }

    fn finish(&mut self, reason: String) {
        self.finished = true;
        let reasons = Value::Array(Array::String(vec![StringValue::from(reason)]));
        self.set(name::FINISH_REASONS, reasons);
    }
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        if !self.finished {
            self.finish(CANCELLED.into());
        }
        self.set(name::OUTPUT_TOKENS, integer(self.output_tokens));
        self.span.lock().end();
        runtime::request_ended();
    }
}

fn integer(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
