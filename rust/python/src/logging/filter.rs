//! Which events are logged at all: `DYN_LOG`, in the runtime's syntax and with its default.

use dynamo_backend_environment::DYN_LOG;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Filter;

const DEFAULT: &str = DYN_LOG.default.unwrap();
/// On top of what was asked for: libraries that would drown the rest, as with the runtime's own
/// log, and the spans by which a line knows its request.
const ALWAYS: [&str; 14] = [
    "h2=error",
    "tower=error",
    "hyper_util=error",
    "neli=error",
    "async_nats=error",
    "rustls=error",
    "tokenizers=error",
    "axum=error",
    "tonic=error",
    "hf_hub=error",
    "opentelemetry=error",
    "opentelemetry-otlp=error",
    "opentelemetry_sdk=error",
    "request_span=trace",
];

/// The filter that the environment asks for. What is no filter is left out, and said on standard
/// error: there is no log yet.
pub(super) fn from_env<S>() -> Box<dyn Filter<S> + Send + Sync> {
    let asked = DYN_LOG.text().unwrap_or_default();
    let asked = if asked.replace(',', "").is_empty() {
        DEFAULT.to_owned()
    } else {
        asked
    };
    let directives = format!("{asked},{}", ALWAYS.join(","));
    // Selectors of spans and fields need the slower filter, which takes a lock per span.
    match directives.parse::<Targets>() {
        Ok(targets) if !directives.contains('[') => Box::new(targets),
        _ => Box::new(EnvFilter::builder().parse_lossy(directives)),
    }
}
