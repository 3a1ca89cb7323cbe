//! Spans that an engine writes to.

use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::{Span as _, SpanContext, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::Span;
use parking_lot::Mutex;

use super::export::tracer;

/// A span of a request: its own, or one below that. Where nothing is exported, and after its end,
/// whatever is written to it is nothing. Cheap to clone: all clones are one span.
#[derive(Clone, Default)]
pub struct EngineSpan {
    span: Option<Arc<Mutex<Span>>>,
    /// The request's own ends with the request.
    ends_with_request: bool,
}

impl EngineSpan {
    /// The span of a request.
    pub(super) fn of_request(span: Arc<Mutex<Span>>) -> Self {
        Self {
            span: Some(span),
            ends_with_request: true,
        }
    }

    /// Begins a span below this one; it ends when it is told to, or when the last clone is dropped.
    #[must_use]
    pub fn start_span(&self, name: impl Into<String>) -> Self {
        let (Some(span), Some(tracer)) = (&self.span, tracer()) else {
            return Self::default();
        };
        let above = span.lock().span_context().clone();
        Self::below(name.into(), above, tracer)
    }

    fn below(name: String, above: SpanContext, tracer: &impl Tracer<Span = Span>) -> Self {
        let above = Context::new().with_remote_span_context(above);
        let span = tracer.span_builder(name).start_with_context(tracer, &above);
        Self {
            span: Some(Arc::new(Mutex::new(span))),
            ends_with_request: false,
        }
    }

    /// Whether anything that is written to it is exported.
    pub fn is_recording(&self) -> bool {
        let span = self.span.as_ref();
        span.is_some_and(|span| span.lock().is_recording())
    }

    /// Sets an attribute; one of this name that is there is replaced.
    pub fn set_attribute(&self, name: impl Into<String>, value: impl Into<Value>) {
        if let Some(span) = &self.span {
            let attribute = KeyValue::new(name.into(), value.into());
            span.lock().set_attribute(attribute);
        }
    }

    /// Adds an event, as of now.
    pub fn add_event(&self, name: impl Into<String>, attributes: Vec<KeyValue>) {
        if let Some(span) = &self.span {
            span.lock().add_event(name.into(), attributes);
        }
    }

    /// Says how it went.
    pub fn set_status(&self, status: Status) {
        if let Some(span) = &self.span {
            span.lock().set_status(status);
        }
    }

    /// Ends it, if it is not the request's own.
    pub fn end(&self) {
        if let Some(span) = &self.span
            && !self.ends_with_request
        {
            span.lock().end();
        }
    }
}

impl fmt::Debug for EngineSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineSpan")
            .field("is_recording", &self.is_recording())
            .finish_non_exhaustive()
    }
}
