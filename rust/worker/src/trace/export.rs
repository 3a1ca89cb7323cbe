//! Where spans go: an OTLP exporter, where the runtime's own variables ask for one.

use std::sync::OnceLock;
use std::time::Duration;

use dynamo_backend_environment::{OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLE_RATIO};
use dynamo_runtime::logging::DistributedTraceIdLayer;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::endpoint::{is_asked_for, over_http};
use super::runtime;
use crate::forked;
use crate::runtimes;

const SERVICE: &str = OTEL_SERVICE_NAME.default.unwrap();
const SCOPE: &str = "dynamo_backend_common";

struct Exporter {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Sends; of its own, so that it lives as long as the process, whatever runtime a run is on.
    _runtime: tokio::runtime::Runtime,
}

static EXPORTER: OnceLock<Option<Exporter>> = OnceLock::new();

/// Makes the exporter, where the environment asks for it; once for the process.
pub(crate) fn prepare() {
    exporter();
}

/// What makes spans that are exported; `None` where the environment asks for no export.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    exporter().map(|exporter| &exporter.tracer)
}

/// Sends what has not been sent, and waits for that, and for the runtime's exporter.
pub(crate) async fn flush(limit: Duration) {
    tokio::join!(send(limit), tokio::time::sleep(runtime::left().min(limit)));
}

async fn send(limit: Duration) {
    let Some(exporter) = EXPORTER.get().and_then(Option::as_ref) else {
        return;
    };
    let (told, sent) = tokio::sync::oneshot::channel();
    let provider = exporter.provider.clone();
    // It blocks, and would keep a tokio runtime that ends from ending.
    let flushing = std::thread::Builder::new()
        .name("dynamo-trace-flush".into())
        .spawn(move || told.send(provider.force_flush()));
    let failure = match (flushing, tokio::time::timeout(limit, sent).await) {
        (_, Ok(Ok(Ok(())))) => return,
        (Err(error), _) => error.to_string(),
        (_, Ok(Ok(Err(error)))) => error.to_string(),
        (_, _) => format!("not within {limit:?}"),
    };
    tracing::warn!("the last spans could not be exported: {failure}");
}

/// Layers that have the runtime's own spans exported, and traces passed on, for a subscriber that
/// is not [the runtime's](crate::process::init_logging). `None` where no export is asked for.
pub fn runtime_spans<S>() -> Option<impl Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let tracer = tracer()?.clone();
    // The second reads the ids that the first gives.
    Some(
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .and_then(DistributedTraceIdLayer),
    )
}

fn exporter() -> Option<&'static Exporter> {
    EXPORTER
        .get_or_init(|| {
            if !is_asked_for() {
                return None;
            }
            match build() {
                Ok(exporter) => Some(exporter),
                Err(error) => {
                    tracing::error!("no spans of requests are exported: {error}");
                    None
                }
            }
        })
        .as_ref()
}

fn build() -> Result<Exporter, Box<dyn std::error::Error>> {
    let runtime = runtimes::build_export_runtime()?;
    let exporter = {
        let _inside = runtime.enter();
        forked::close_sockets_of_this_runtime();
        span_exporter()?
    };
    let service = OTEL_SERVICE_NAME.text().unwrap_or_else(|| SERVICE.into());
    let mut provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder_empty().with_service_name(service).build());
    if let Some(ratio) = ratio(OTEL_TRACES_SAMPLE_RATIO.text().as_deref()) {
        let root = Sampler::TraceIdRatioBased(ratio);
        provider = provider.with_sampler(Sampler::ParentBased(Box::new(root)));
    }
    let provider = provider.build();
    Ok(Exporter {
        tracer: provider.tracer(SCOPE),
        provider,
        _runtime: runtime,
    })
}

/// Endpoint, headers and timeout it reads from the environment itself.
fn span_exporter() -> Result<SpanExporter, ExporterBuildError> {
    if over_http() {
        SpanExporter::builder().with_http().build()
    } else {
        SpanExporter::builder().with_tonic().build()
    }
}

/// The runtime warns of what is no ratio.
fn ratio(text: Option<&str>) -> Option<f64> {
    let ratio = text?.parse().ok()?;
    (0.0..=1.0).contains(&ratio).then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_between_0_and_1() {
        assert_eq!(ratio(Some("0.25")), Some(0.25));
        for wrong in [None, Some(""), Some("1.5"), Some("-1"), Some("NaN")] {
            assert_eq!(ratio(wrong), None);
        }
    }
}
