use std::collections::HashMap;

use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::logging::{DistributedTraceIdLayer, make_handle_payload_span_from_tcp_headers};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// What an engine of a process that traces is told, of a request that arrives with `headers`.
fn told(headers: &[(&str, &str)]) -> Option<RequestTrace> {
    let provider = SdkTracerProvider::builder().build();
    let subscriber = tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")))
        .with(DistributedTraceIdLayer);
    tracing::subscriber::with_default(subscriber, || told_here(headers))
}

fn told_here(headers: &[(&str, &str)]) -> Option<RequestTrace> {
    let headers: HashMap<String, String> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    let request = PreprocessedRequest::builder()
        .model("model".into())
        .token_ids(vec![1, 2])
        .stop_conditions(Default::default())
        .sampling_options(Default::default())
        .output_options(Default::default())
        .build()
        .unwrap();
    make_handle_payload_span_from_tcp_headers(&headers, "backend", "generate", "dynamo", 1)
        .in_scope(|| begin(&request, "id").0)
}

#[test]
fn a_trace_goes_on_below_the_runtimes_span_with_the_state_of_others() {
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let trace = told(&[("traceparent", &parent), ("tracestate", "vendor=value")]).unwrap();
    assert_eq!(trace.parent_span_id(), Some("b7ad6b7169203331"));
    let headers = trace.headers();
    assert_eq!(headers.trace_id(), TRACE);
    assert_ne!(headers.traceparent, parent);
    assert_eq!(headers.traceparent.len(), parent.len());
    assert_eq!(headers.tracestate.as_deref(), Some("vendor=value"));
}

#[test]
fn what_is_no_traceparent_begins_a_trace() {
    let trace = told(&[("traceparent", "00-0af7-01")]).unwrap();
    assert_eq!(trace.parent_span_id(), None);
    let headers = trace.headers();
    assert_eq!(headers.trace_id().len(), 32);
    assert_eq!(headers.tracestate, None);
}

#[test]
fn a_process_that_does_not_trace_has_no_trace() {
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    assert!(told_here(&[("traceparent", &parent)]).is_none());
}
