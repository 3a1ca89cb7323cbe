//! What an engine gets to add metrics of its own, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use dynamo_runtime::MetricsRegistry;
use dynamo_runtime::error::DynamoError;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::metrics::EngineTexts;
use crate::publish::SnapshotPublisher;

/// What an engine's `setup_metrics` gets.
#[derive(Clone, Debug)]
pub struct MetricsContext {
    /// Canonical id of the model.
    pub model: String,
    /// Component that the worker belongs to.
    pub component: String,
    /// How long `start` took.
    pub model_load_time: Duration,
    /// The endpoint's registry: collectors and text callbacks added here appear in the worker's
    /// `/metrics`.
    pub metrics: MetricsRegistry,
    /// Names and values of the labels that the worker's gauges have, for metrics of the engine's own.
    pub labels: Vec<(String, String)>,
    /// For metrics that are made outside of Rust, as text, when a scrape asks for them.
    pub texts: EngineTexts,
}

/// Called once with the publisher of KV snapshots, when it is ready. Its error ends the run.
pub type OnPublisherReady =
    Arc<dyn Fn(SnapshotPublisher) -> BoxFuture<'static, Result<(), DynamoError>> + Send + Sync>;

/// What an engine's `setup_metrics` answers.
#[derive(Clone, Default)]
pub struct MetricsBindings {
    /// The data-parallel ranks of which the engine will push snapshots: of those that its
    /// configuration has, each once.
    pub dp_ranks: Vec<u32>,
    /// Gets the publisher; not called where there is no rank or KV routing is off.
    pub on_publisher_ready: Option<OnPublisherReady>,
}

impl MetricsBindings {
    /// Bindings that hand the publisher to `on_ready`, before requests are served.
    pub fn push(
        dp_ranks: Vec<u32>,
        on_ready: impl Fn(SnapshotPublisher) + Send + Sync + 'static,
    ) -> Self {
        let on_publisher_ready: OnPublisherReady = Arc::new(move |publisher| {
            on_ready(publisher);
            std::future::ready(Ok(())).boxed()
        });
        Self {
            dp_ranks,
            on_publisher_ready: Some(on_publisher_ready),
        }
    }
}
