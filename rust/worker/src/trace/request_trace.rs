//! What an engine may know of the trace that its request is in.

use dynamo_llm::protocols::common::preprocessor::TraceLink;
use dynamo_runtime::logging::DistributedTraceContext;
use opentelemetry::trace::SpanContext;

use super::headers::TraceHeaders;
use super::span::EngineSpan;

/// The trace of one request.
#[derive(Clone, Debug)]
pub struct RequestTrace {
    headers: TraceHeaders,
    parent_span_id: Option<String>,
    span: EngineSpan,
}

impl RequestTrace {
    /// As the runtime passes the trace on itself.
    pub(crate) fn of_runtime(trace: &DistributedTraceContext) -> Self {
        Self {
            headers: TraceHeaders::of_runtime(trace),
            parent_span_id: trace.parent_id.clone(),
            span: EngineSpan::default(),
        }
    }

    /// What continues the trace is a child of this span, which is below the runtime's.
    pub(super) fn of_span(span: &SpanContext, runtime: &DistributedTraceContext) -> Self {
        Self {
            headers: TraceHeaders::of_span(span),
            parent_span_id: Some(runtime.span_id.clone()),
            span: EngineSpan::default(),
        }
    }

    /// The engine may write to the request's span.
    pub(super) fn written_to(mut self, span: EngineSpan) -> Self {
        self.span = span;
        self
    }

    /// Headers by which another service continues the trace.
    pub fn headers(&self) -> &TraceHeaders {
        &self.headers
    }

    /// The id of the span above that of [`headers`](Self::headers), 16 hexadecimal digits; `None`:
    /// there is none.
    pub fn parent_span_id(&self) -> Option<&str> {
        self.parent_span_id.as_deref()
    }

    /// The request's span.
    pub fn span(&self) -> &EngineSpan {
        &self.span
    }

    /// By which the next worker of the request points back at this one's span.
    pub(crate) fn link(&self) -> TraceLink {
        TraceLink {
            trace_id: self.headers.trace_id().to_owned(),
            span_id: self.headers.span_id().to_owned(),
        }
    }
}
