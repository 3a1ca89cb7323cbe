//! A span that an engine writes to: its request's own, or one that it began below that.

use opentelemetry::Context;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};

use super::export::tracer;
use super::{Attribute, AttributeValue};

/// A span of a request, which is exported with the trace. All that is done to one of a request
/// that is in no exported trace is nothing. Cheap to clone: all clones are of one span.
///
/// One that [`begin_below`](Self::begin_below) made ends by [`end`](Self::end), or with its last
/// clone.
#[derive(Clone, Debug, Default)]
pub struct Span {
    context: Option<Context>,
    /// The request's own ends with the request.
    is_of_engine: bool,
}

impl Span {
    pub(super) fn of_request(context: &Context) -> Self {
        Self {
            context: Some(context.clone()),
            is_of_engine: false,
        }
    }

    /// Begins a span below this one.
    pub fn begin_below(&self, name: impl Into<String>, attributes: Vec<Attribute>) -> Self {
        let (Some(parent), Some(tracer)) = (&self.context, tracer()) else {
            return Self::default();
        };
        let span = tracer
            .span_builder(name.into())
            .with_kind(SpanKind::Internal)
            .with_attributes(attributes)
            .start_with_context(tracer, parent);
        Self {
            context: Some(parent.with_span(span)),
            is_of_engine: true,
        }
    }

    /// Whether it is exported.
    pub fn is_recording(&self) -> bool {
        self.context
            .as_ref()
            .is_some_and(|context| context.span().is_recording())
    }

    /// Sets an attribute.
    pub fn set_attribute(&self, name: impl Into<String>, value: impl Into<AttributeValue>) {
        if let Some(context) = &self.context {
            let attribute = Attribute::new(name.into(), value);
            context.span().set_attribute(attribute);
        }
    }

    /// Tells that something happened now.
    pub fn add_event(&self, name: impl Into<String>, attributes: Vec<Attribute>) {
        if let Some(context) = &self.context {
            context.span().add_event(name.into(), attributes);
        }
    }

    /// What the span is of succeeded.
    pub fn succeed(&self) {
        self.set_status(Status::Ok);
    }

    /// What the span is of failed. What `why` quotes goes to whoever has the traces.
    pub fn fail(&self, why: impl Into<String>) {
        self.set_status(Status::error(why.into()));
    }

    fn set_status(&self, status: Status) {
        if let Some(context) = &self.context {
            context.span().set_status(status);
        }
    }

    /// Ends a span that [`begin_below`](Self::begin_below) made; does nothing to a request's own.
    pub fn end(&self) {
        if let Some(context) = self.context.as_ref().filter(|_| self.is_of_engine) {
            context.span().end();
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Span as _, TracerProvider};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    #[test]
    fn without_a_trace_nothing_is_done() {
        let span = Span::default();
        span.set_attribute("blocks", 8);
        span.add_event("loaded", vec![]);
        span.fail("no");
        let below = span.begin_below("load", vec![]);
        below.succeed();
        below.end();
        assert!(!span.is_recording() && !below.is_recording());
    }

    #[test]
    fn a_requests_own_span_is_not_ended_by_its_engine() {
        let provider = SdkTracerProvider::builder().build();
        let own = provider.tracer("test").start("request");
        assert!(own.is_recording());
        let context = Context::new().with_span(own);
        let span = Span::of_request(&context);
        span.end();
        assert!(span.is_recording());
        context.span().end();
        assert!(!span.is_recording());
    }
}
