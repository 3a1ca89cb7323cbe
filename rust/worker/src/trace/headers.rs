//! The trace context of a request, as the headers of W3C Trace Context.

use dynamo_runtime::logging::DistributedTraceContext;
use opentelemetry::trace::SpanContext;

/// Headers by which another service continues the trace of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceHeaders {
    /// `00-TRACE-PARENT-FLAGS` in hexadecimal: 32, 16 and 2 digits.
    pub traceparent: String,
    /// What systems of several vendors know of the trace; passed on as it came.
    pub tracestate: Option<String>,
}

impl TraceHeaders {
    /// The trace's id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.traceparent.split('-').nth(1).unwrap_or_default()
    }

    /// The id of the span that continues the trace is below: 16 hexadecimal digits.
    pub fn span_id(&self) -> &str {
        self.traceparent.split('-').nth(2).unwrap_or_default()
    }

    /// As the runtime passes the trace on itself.
    pub(super) fn of_runtime(trace: &DistributedTraceContext) -> Self {
        Self {
            traceparent: trace.create_traceparent(),
            tracestate: some(trace.tracestate.clone().unwrap_or_default()),
        }
    }

    /// What continues the trace is a child of this span.
    pub(super) fn of_span(span: &SpanContext) -> Self {
        Self {
            traceparent: format!(
                "00-{}-{}-{:02x}",
                span.trace_id(),
                span.span_id(),
                span.trace_flags().to_u8()
            ),
            tracestate: some(span.trace_state().header()),
        }
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};

    use super::*;

    fn span(flags: TraceFlags, state: TraceState) -> SpanContext {
        let (trace, span) = (TraceId::from(0xabc_u128), SpanId::from(0x12_u64));
        SpanContext::new(trace, span, flags, false, state)
    }

    #[test]
    fn the_header_is_that_of_w3c() {
        let headers = TraceHeaders::of_span(&span(TraceFlags::SAMPLED, TraceState::NONE));
        assert_eq!(
            headers.traceparent,
            "00-00000000000000000000000000000abc-0000000000000012-01"
        );
        assert_eq!(headers.tracestate, None);
        assert_eq!(headers.trace_id(), "00000000000000000000000000000abc");
        assert_eq!(headers.span_id(), "0000000000000012");
    }

    #[test]
    fn what_is_not_sampled_is_passed_on_as_such_with_the_state_of_others() {
        let state = TraceState::from_key_value([("vendor", "value")]).unwrap();
        let headers = TraceHeaders::of_span(&span(TraceFlags::NOT_SAMPLED, state));
        assert!(headers.traceparent.ends_with("-00"));
        assert_eq!(headers.tracestate.as_deref(), Some("vendor=value"));
    }
}
