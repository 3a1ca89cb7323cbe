//! Tracing: one span per request, and the trace context that an engine may pass on.
//!
//! The runtime decides whether there is a trace at all, by its own variables, and makes a span for
//! every request that arrives. Ours is a child of that, made with OpenTelemetry's own interface: its
//! attributes are set once, when the request has ended, and the exporter is ours, so that a run can
//! flush it. Without a trace a request costs the look whether there is one.

mod endpoint;
mod export;
mod headers;
mod request;
mod request_trace;
mod runtime;
mod span;

pub use dynamo_runtime::logging::DistributedTraceContext;
pub use endpoint::check_endpoints;
pub(crate) use endpoint::is_asked_for;
pub use export::runtime_spans;
pub(crate) use export::{flush, prepare};
pub use headers::TraceHeaders;
/// OpenTelemetry's own, of attributes and of how a span went.
pub use opentelemetry::trace::Status;
pub use opentelemetry::{Array, KeyValue, Value};
pub(crate) use request::{RequestSpan, begin};
pub use request_trace::RequestTrace;
pub(crate) use runtime::begins as runtime_begins;
pub use span::EngineSpan;

#[cfg(test)]
mod tests;
